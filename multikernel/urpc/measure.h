/*
 * Measurement of messages, over the very channel that carries them.
 *
 * Round trips: one end calls urpc_measure_ping, the other urpc_measure_echo, for the same number of rounds. A
 * round is one message of 48 bytes there and back, timed by the sender alone, so no two clocks are compared.
 *
 * Costs of one message: one end calls urpc_measure_send, the other urpc_measure_receive, with the same count.
 * What keeps a sender busy is mostly taking lines from the core that read them last; what keeps a receiver
 * busy is fetching lines from the core that wrote them last. Both must hold for every message timed, or the
 * figures flatter:
 *
 *   1  receiver   sends "ready". It acknowledges all that came before, so the sender never runs out of room
 * and nobody writes an acknowledgement line while the other is being timed. 2  sender     sends a burst, each
 * message timed by itself, with its fence and its look at the doorbell. Every line was read by the receiver a
 * lap ago: a lap goes by before the first timed burst. 3  sender     sends one more message, not timed:
 * "done". 4  receiver   meanwhile waits for the *last* line, "done", to be written, and so neither touches
 * the lines of the burst nor takes them from the sender half way. When it comes, the burst lies in the
 * sender's cache, and the receiver takes it, each message timed by itself.
 *
 * A burst is at most 16 messages and less than a quarter of the ring. The stopwatch waits for what is under
 * way before it reads the time (clock.h), so messages do not overlap as they might in a stream: these are the
 * costs of a message alone. What reading the time itself costs is measured and taken off.
 *
 * Where kernels share a core (spin budget 0) all waiting blocks, the receiver is asleep when a message comes,
 * and the sender's time holds the system call that wakes it: that is what a message costs it there.
 *
 * All results are picoseconds.
 */
#ifndef URPC_MEASURE_H
#define URPC_MEASURE_H

#include "channel.h"
#include "wait.h"

enum urpc_result urpc_measure_ping(struct urpc_channel *channel, size_t rounds, uint64_t *ps,
                                   const struct urpc_patience *patience);
/* Means of batches: what a conversation costs that nobody interrupts to read the time. The other end echoes
 * URPC_PING_BATCH rounds for each. */
enum { URPC_PING_BATCH = 32 };
enum urpc_result urpc_measure_ping_batches(struct urpc_channel *channel, size_t batches, uint64_t *ps,
                                           const struct urpc_patience *patience);
enum urpc_result urpc_measure_echo(struct urpc_channel *channel, size_t rounds,
                                   const struct urpc_patience *patience);
enum urpc_result urpc_measure_send(struct urpc_channel *channel, size_t count, uint64_t *ps,
                                   const struct urpc_patience *patience);
enum urpc_result urpc_measure_receive(struct urpc_channel *channel, size_t count, uint64_t *ps,
                                      const struct urpc_patience *patience);

/*
 * A stream: one end calls urpc_measure_stream, the other urpc_measure_drain, with the same number of blocks.
 * The receiver says that it is ready, receives all, and says so. The sender publishes a block in bursts of
 * URPC_STREAM_BATCH, looks at the doorbell after each, and notifies after the block, as whoever sends many does
 * (urpc_hint); `ps` gets the mean time of a message for each block. The ring is full after the first, so from then on the sender is as fast as both together.
 */
enum { URPC_STREAM_BLOCK = 256, URPC_STREAM_BATCH = 32 };
enum urpc_result urpc_measure_stream(struct urpc_channel *channel, size_t blocks, uint64_t *ps,
                                     const struct urpc_patience *patience);
enum urpc_result urpc_measure_drain(struct urpc_channel *channel, size_t blocks,
                                    const struct urpc_patience *patience);

#endif
