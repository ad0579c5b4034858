/*
 * The doorbell of doorbell.h: two senders, each with a channel of its own, and a receiver that sleeps when both are empty.
 *
 * Stores that are not yet visible stand in a buffer of one, and reach memory whenever they like, at a fence at the latest: what x86-64
 * and AArch64 may both do between a store and a later load. Checked: nobody waits for ever, so all that is sent is received.
 *
 * NO_SENDER_FENCE and NO_SLEEPER_FENCE leave out M2 and S2, LATE_LOOK the second look (S3), NO_COMPARE what futex_wait compares (S4): each
 * must be found to be needed.
 */
#define SENDERS 2
#define MESSAGES 2

byte line[SENDERS];          /* messages that each sender has published, as memory has it */
byte stored[SENDERS];        /* as the sender has stored it */
byte taken[SENDERS];
byte count;                  /* of rings, modulo 8 */
bool asleep;                 /* bit 0 of the word, as memory has it */
bool falling;                /* the sleeper has stored ASLEEP, and it is not in memory yet */
bool waiting;                /* in futex_wait */

inline ring() {              /* urpc_doorbell_wake: one ringer moves the word and makes the call */
    atomic {
        if
        :: asleep -> asleep = false; count = (count + 1) % 8; waiting = false
        :: else
        fi
    }
}

proctype Buffer(byte who) {  /* stores become visible at any time */
end:
    do
    :: atomic { line[who] != stored[who] -> line[who] = stored[who] }
    od
}

proctype SleeperBuffer() {
end:
    do
    :: atomic { falling -> falling = false; asleep = true }
    od
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
        :: asleep -> ring()                                      /* M3 */
        :: else
        fi
    :: else -> break
    od
}

proctype Receiver() {
    byte got = 0;
    byte ticket;
    do
    :: got == SENDERS * MESSAGES -> break
    :: else ->
        ticket = count;
        if
        :: line[0] > taken[0] -> taken[0]++; got++
        :: line[1] > taken[1] -> taken[1]++; got++
        :: atomic { line[0] == taken[0] && line[1] == taken[1] -> skip };
            atomic {                                             /* S1: compare and swap */
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
            :: line[0] > taken[0] || line[1] > taken[1] -> goto again               /* S3 */
            :: else
            fi;
#endif
            atomic {                                             /* S4: the kernel sees what was stored, and compares */
                if :: falling -> falling = false; asleep = true :: else fi;
#ifndef NO_COMPARE
                if
                :: count == ticket && asleep -> waiting = true
                :: else -> goto again
                fi
#else
                waiting = true
#endif
            };
            !waiting
        fi;
again:  skip
    od
}

init {
    atomic {
        run Buffer(0); run Buffer(1); run SleeperBuffer();
        run Sender(0); run Sender(1); run Receiver()
    }
}
