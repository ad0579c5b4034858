/*
 * Calls: how a doorbell wakes somebody who sleeps in poll(2), because he waits for descriptors too.
 *
 * A futex cannot be polled, and a memfd is not pollable. So the owner of a doorbell that waits for descriptors
 * opens a datagram socket of the abstract Unix namespace, under a random name of 64 bits, and writes that into
 * the doorbell; a ringer that finds POLLED set sends it an empty datagram. A socket keeps what was sent until
 * it is read, so there is no moment in which a call can be missed.
 *
 * Why this and not the others
 *   - An eventfd is cheaper by a microsecond a wake-up, but would have to be handed to every sender beside
 *     the memory: two descriptors for each doorbell, and most doorbells are never polled.
 *   - A helper thread that sleeps on the futex and writes an eventfd of its own process: no protocol with the
 *     sender, but two wake-ups instead of one, on a core that is not idle then, and a thread for each doorbell
 *     that does not survive a fork.
 *   - io_uring can wait for futexes and descriptors at once (Linux 6.7), and is switched off in most
 *     containers. futex_waitv waits for futexes alone.
 *   - pidfd_getfd would fetch the descriptor, where ptrace is allowed.
 * So a doorbell stays one descriptor. A ringer opens one socket more, at its first call, and keeps it for the
 * next ones: opening and closing it costs several times as much as sending (bench/bench_waiting.py has the
 * price of a call beside an eventfd's).
 *
 * Trust. Names of the abstract namespace have no owner: anyone on this machine can send a datagram, which ends
 * a wait for nothing and no more. The prefix is fixed, so a hostile doorbell cannot make us send to anybody
 * else's socket. Both ends must be in one network namespace; where they are not, or a sender has no descriptor
 * left, pollers find messages when they wake by themselves, once a second.
 */
#ifndef URPC_CALLS_H
#define URPC_CALLS_H

#include <stdatomic.h>
#include <stdint.h>

/* A socket that is readable once it has been called: its descriptor, or -1 with errno. */
int urpc_calls_open(uint64_t *address);

/* Forget a call that has come, if one has. Mostly there is one at most; the others leave the socket readable. */
void urpc_calls_drain(int calls);

/* What a process calls from: a socket, opened when it is first needed. Shared by threads, and across a fork. */
struct urpc_caller {
    _Atomic int socket; /* -1 before; exchanged once, so that threads agree on one */
};

void urpc_caller_close(struct urpc_caller *caller);

/* Call whoever has this address. Never blocks; errors mean that nobody is there, or has calls enough. */
void urpc_call(struct urpc_caller *caller, uint64_t address);

#endif
