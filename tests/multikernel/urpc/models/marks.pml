/*
 * The marks of doorbell.h: two senders, each with a channel of its own and a slot in the same group, and a receiver that looks at marked
 * channels only and sleeps when there are none. The slots are given while the senders send.
 *
 * Plain stores (of lines and slots) stand in a buffer of one until they reach memory, as in doorbell.pml; read-modify-writes (bits, groups)
 * are in memory at once, and take the sender's own earlier stores with them, as release does. Checked: nobody waits for ever, so all that is
 * sent is received, though the receiver never looks at a channel without a reason.
 *
 * Left out, one by one, and each found to be needed: NO_SENDER_FENCE (M2), LINE_BEFORE_BIT (R4 before R2, as a load might move without
 * R3), GROUP_FIRST (M6 before M5), BITS_FIRST (R2 before R1), LATE_LOOK (S3), NO_SLEEPER_FENCE (S2), NO_ADD_FENCE and NO_ADD_LOOK (when a
 * slot is given).
 */
#define SENDERS 2
#define MESSAGES 2

byte line[SENDERS];          /* messages that each sender has published, as memory has it */
byte stored[SENDERS];        /* as the sender has stored it */
bool slot[SENDERS];          /* the sender knows its slot, as memory has it */
bool slot_stored[SENDERS];   /* as the receiver has stored it */
bool mark[SENDERS];
bool group;
byte taken[SENDERS];
bool candidate[SENDERS];
byte count;                  /* of rings, modulo 16 */
bool asleep;
bool falling;                /* the sleeper has stored ASLEEP, and it is not in memory yet */
bool waiting;                /* in futex_wait */

inline ring() {
    atomic {
        if
        :: asleep -> asleep = false; count = (count + 1) % 16; waiting = false
        :: else
        fi
    }
}

proctype Buffer(byte who) {
end:
    do
    :: atomic { line[who] != stored[who] -> line[who] = stored[who] }
    :: atomic { slot[who] != slot_stored[who] -> slot[who] = slot_stored[who] }
    od
}

proctype SleeperBuffer() {
end:
    do
    :: atomic { falling -> falling = false; asleep = true }
    od
}

inline mark_group(who) {
    if
    :: group
    :: else -> atomic { line[who] = stored[who]; group = true }
    fi
}

proctype Sender(byte who) {
    byte sent = 0;
    do
    :: sent < MESSAGES ->
        sent++;
        stored[who] = sent;                                      /* M1 */
#ifndef NO_SENDER_FENCE
        line[who] = stored[who];                                 /* M2 */
#endif
        if
        :: slot[who] ->
            if
            :: mark[who]                                          /* M4 */
            :: else ->
#ifdef GROUP_FIRST
                mark_group(who);
#endif
                atomic { line[who] = stored[who]; mark[who] = true };   /* M5 */
#ifndef GROUP_FIRST
                mark_group(who)                                  /* M6 */
#endif
            fi
        :: else
        fi;
        if
        :: asleep -> ring()                                      /* M3 */
        :: else
        fi
    :: else -> break
    od
}

inline give_slot(who) {
    slot_stored[who] = true;
#ifndef NO_ADD_FENCE
    slot[who] = true;
#endif
#ifndef NO_ADD_LOOK
    candidate[who] = true
#endif
}

inline take_bit(who) {
#ifdef LINE_BEFORE_BIT
    found = line[who] > taken[who];
    atomic {
        if
        :: mark[who] -> mark[who] = false; candidate[who] = found
        :: else
        fi
    }
#else
    atomic {                                                     /* R2 */
        if
        :: mark[who] -> mark[who] = false; candidate[who] = true
        :: else
        fi
    }
#endif
}

inline look(who) {
    if
    :: candidate[who] ->
        atomic {                                                 /* R4 */
            if
            :: line[who] > taken[who] -> taken[who]++; got++; ready = true
            :: else -> candidate[who] = false
            fi
        }
    :: else
    fi
}

proctype Receiver() {
    byte got = 0;
    byte ticket;
    bool ready;
    bool found;
    give_slot(0);
    give_slot(1);
    do
    :: got == SENDERS * MESSAGES -> break
    :: else ->
        ticket = count;
        ready = false;
        if
        :: group ->
#ifndef BITS_FIRST
            group = false;                                       /* R1 */
#endif
            take_bit(0);
            take_bit(1);
#ifdef BITS_FIRST
            group = false
#endif
        :: else
        fi;
        look(0);
        look(1);
        if
        :: ready -> goto again
        :: else
        fi;
        atomic {                                                 /* S1 */
            if
            :: count == ticket -> falling = !asleep
            :: else -> goto again
            fi
        }
#ifndef NO_SLEEPER_FENCE
        atomic { if :: falling -> falling = false; asleep = true :: else fi }   /* S2 */
#endif
#ifndef LATE_LOOK
        if
        :: group -> goto again                                   /* S3 */
        :: else
        fi;
#endif
        atomic {                                                 /* S4 */
            if :: falling -> falling = false; asleep = true :: else fi;
            if
            :: count == ticket && asleep -> waiting = true
            :: else -> goto again
            fi
        };
        !waiting;
again:  skip
    od
}

init {
    atomic {
        run Buffer(0); run Buffer(1); run SleeperBuffer();
        run Sender(0); run Sender(1); run Receiver()
    }
}
