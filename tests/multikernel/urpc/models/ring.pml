/*
 * One direction of a channel, as channel.h has it: a ring of lines, messages of one to three of them, acknowledgements in a status word
 * that is written when a quarter of the ring has been consumed, and a sender that waits for room.
 *
 * A line holds the number of its message and the turn of the ring it was written in; the first line of a message is written last, and its
 * turn is what makes the message visible. Stores of status and of wanted stand in buffers as in doorbell.pml.
 *
 * Checked: what is received is what was sent, in order and whole; no line is written before it was read; nobody waits for ever.
 *
 * HEADER_FIRST writes the first line before the others, EARLY_STATUS acknowledges before it has read, NO_ROOM_CHECK writes without looking,
 * NO_SENDER_FENCE and NO_RECEIVER_FENCE leave out the fences between wanted and status: each must be found to be needed.
 *
 * With HAND_BACK the receiver stores into each line that it has read the turn that it found there (ownership.h). These stores stand in a
 * buffer, too, and reach memory in their order, before the acknowledgement behind them; with UNORDERED_HAND_BACK at any time.
 */
#define CAPACITY 4
#define MESSAGES 4

byte turn[CAPACITY];         /* turn in which a line was written, from 1; 0: never */
byte payload[CAPACITY];
byte size[CAPACITY];         /* in lines, of a first line */
bool unread[CAPACITY];       /* for the assertion only */

byte status;                 /* lines consumed, as memory has it */
byte status_stored;
byte wanted;                 /* position that the sender needs acknowledged, as memory has it; 0: none */
byte wanted_stored;
bool asleep;                 /* the sender sleeps; doorbell.pml shows that rings are as good as this */
byte rings;                  /* modulo 8 */

#ifdef UNORDERED_HAND_BACK
#define HAND_BACK
#define BACK_BEFORE(position) true
#else
#define BACK_BEFORE(position) ((position) <= backs)
#endif

#ifdef HAND_BACK
byte backs;                  /* lines handed back, as memory has it */
byte backs_stored;

proctype BackBuffer() {
end:
    do
    :: atomic { backs != backs_stored -> turn[backs % CAPACITY] = backs / CAPACITY + 1; backs++ }
    od
}
#else
#define backs 255
#endif

proctype StatusBuffer() {
end:
    do
    :: atomic { status != status_stored && BACK_BEFORE(status_stored) -> status = status_stored }
    od
}

proctype WantedBuffer() {
end:
    do
    :: atomic { wanted != wanted_stored -> wanted = wanted_stored }
    od
}

inline write(position, message, lines) {
    atomic {
        assert(!unread[(position) % CAPACITY]);
        payload[(position) % CAPACITY] = message;
        size[(position) % CAPACITY] = lines;
        unread[(position) % CAPACITY] = true;
        turn[(position) % CAPACITY] = (position) / CAPACITY + 1
    }
}

proctype Sender() {
    byte sent = 0;           /* lines */
    byte acknowledged = 0;
    byte message = 0;
    byte lines;
    byte next;
    byte ticket;
    do
    :: message < MESSAGES ->
        if :: lines = 1 :: lines = 2 :: lines = 3 fi;
#ifndef NO_ROOM_CHECK
        do
        :: sent + lines - acknowledged <= CAPACITY -> break
        :: else ->
            acknowledged = status;
            if
            :: sent + lines - acknowledged <= CAPACITY -> skip
            :: else ->
                ticket = rings;
                wanted_stored = sent + lines - CAPACITY;
#ifndef NO_SENDER_FENCE
                wanted = wanted_stored;
#endif
                acknowledged = status;
                if
                :: sent + lines - acknowledged <= CAPACITY -> skip
                :: else ->
                    atomic { asleep = (rings == ticket) };
                    !asleep
                fi
            fi
        od;
#endif
        message++;
#ifdef HEADER_FIRST
        write(sent, message, lines);
#endif
        next = 1;
        do
        :: next < lines -> write(sent + next, message, lines); next++
        :: else -> break
        od;
#ifndef HEADER_FIRST
        write(sent, message, lines);
#endif
        sent = sent + lines
    :: else -> break
    od
}

proctype Receiver() {
    byte consumed = 0;
    byte told = 0;
    byte message = 0;
    byte lines;
    byte next;
    do
    :: message == MESSAGES -> break
    :: turn[consumed % CAPACITY] == consumed / CAPACITY + 1 ->
        message++;
        lines = size[consumed % CAPACITY];
#ifdef EARLY_STATUS
        status_stored = consumed + lines;
        status = status_stored;
#endif
        next = 0;
        do
        :: next < lines ->
            atomic {
                assert(turn[(consumed + next) % CAPACITY] == (consumed + next) / CAPACITY + 1);
                assert(payload[(consumed + next) % CAPACITY] == message);
                unread[(consumed + next) % CAPACITY] = false;
                next++
            }
        :: else -> break
        od;
        consumed = consumed + lines;
#ifdef HAND_BACK
        backs_stored = consumed;
#endif
        if
        :: consumed - told >= CAPACITY / 4 ->
            told = consumed;
            status_stored = consumed;
#ifndef NO_RECEIVER_FENCE
            atomic { BACK_BEFORE(status_stored) -> status = status_stored };
#endif
            if
            :: wanted != 0 && told >= wanted -> atomic { rings = (rings + 1) % 8; asleep = false }
            :: else
            fi
        :: else
        fi
    od
}

init {
    atomic {
#ifdef HAND_BACK
        run BackBuffer();
#endif
        run StatusBuffer(); run WantedBuffer(); run Sender(); run Receiver()
    }
}
