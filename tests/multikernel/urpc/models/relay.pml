/*
 * A chain of relays as relay.h has it: root, a member between, a leaf; rings of one message each way. Doorbells and rings are as good as
 * channels here (doorbell.pml and ring.pml show that they are).
 *
 * Down run broadcasts, one at a time through the hand of the member between; up run acknowledgements, cumulative, and one contribution a
 * round, which waits for the member's own. Whoever has no room in one direction goes on taking from the other.
 *
 * Checked: everyone gets every broadcast in order, the root hears that all have it, every round ends with both contributions; and nobody
 * waits for ever (no invalid end state).
 *
 * HAND_BLOCKS takes nothing from below while the hand waits for room below, and ROOM_BLOCKS nothing from above while there is no room above;
 * if the neighbour (the leaf, or the root) does likewise, a circle of full rings closes. EARLY_ACK acknowledges what the leaf has not got. Each must be found.
 */
#define BROADCASTS 3
#define ROUNDS 2

#ifdef HAND_BLOCKS
#define TAKES_UP (hand == 0)
#else
#define TAKES_UP true
#endif
#ifdef ROOM_BLOCKS
#define TAKES_DOWN (nfull(up_near))
#define ROOT_TAKES (nfull(down_near))
#else
#define TAKES_DOWN true
#define ROOT_TAKES true
#endif
#ifdef HAND_BLOCKS
#define LEAF_TAKES (nfull(up_far))
#else
#define LEAF_TAKES true
#endif

mtype = { BROADCAST, ACKNOWLEDGE, CONTRIBUTION };

chan down_near = [1] of { mtype, byte };  /* root to between */
chan down_far = [1] of { mtype, byte };   /* between to leaf */
chan up_near = [1] of { mtype, byte };    /* between to root */
chan up_far = [1] of { mtype, byte };     /* leaf to between */

byte at_leaf;                             /* broadcasts that it has; for the assertion only */

proctype Root() {
    byte sent = 0;
    byte stable = 0;
    byte rounds = 0;
    byte number;
    do
    :: (sent < BROADCASTS && nfull(down_near)) -> sent++; down_near!BROADCAST,sent
    :: (ROOT_TAKES && nempty(up_near)) ->
        if
        :: up_near?ACKNOWLEDGE,number ->
            assert(number > stable && number <= sent);
            stable = number;
            assert(at_leaf >= stable)
        :: up_near?CONTRIBUTION,number -> rounds++; assert(number == rounds)
        fi
    :: stable == BROADCASTS && rounds == ROUNDS -> break
    od
}

proctype Between() {
    byte hand = 0;            /* the broadcast in it; 0: none */
    byte received = 0;
    byte below = 0;           /* acknowledged by the leaf */
    byte told = 0;            /* to the root */
    byte own = 0;             /* contributions of this member's own */
    byte theirs = 0;          /* of the leaf, taken from the ring */
    byte passed = 0;          /* rounds passed up */
    byte number;
    do
    :: (hand == 0 && TAKES_DOWN && nempty(down_near)) -> down_near?BROADCAST,hand; assert(hand == received + 1); received = hand
    :: (hand != 0 && nfull(down_far)) -> down_far!BROADCAST,hand; hand = 0
    :: (TAKES_UP && nempty(up_far)) ->
        if
        :: up_far?ACKNOWLEDGE,number -> assert(number > below); below = number
        :: up_far?CONTRIBUTION,number -> theirs++; assert(number == theirs)
        fi
    :: own < ROUNDS && own == passed -> own++
    :: (own > passed && theirs > passed && nfull(up_near)) -> passed++; up_near!CONTRIBUTION,passed
#ifdef EARLY_ACK
    :: (received > told && nfull(up_near)) -> told = received; up_near!ACKNOWLEDGE,told
#else
    :: (below > told && nfull(up_near)) -> told = below; up_near!ACKNOWLEDGE,told
#endif
    :: told == BROADCASTS && passed == ROUNDS && hand == 0 -> break
    od
}

proctype Leaf() {
    byte told = 0;
    byte rounds = 0;
    byte number;
    do
    :: (LEAF_TAKES && nempty(down_far)) -> down_far?BROADCAST,number; at_leaf++; assert(number == at_leaf)
    :: (at_leaf > told && nfull(up_far)) -> told = at_leaf; up_far!ACKNOWLEDGE,told
    :: (rounds < ROUNDS && nfull(up_far)) -> rounds++; up_far!CONTRIBUTION,rounds
    :: told == BROADCASTS && rounds == ROUNDS -> break
    od
}

init {
    atomic { run Root(); run Between(); run Leaf() }
}
