"""One end of a ping-pong with mpi4py's buffer Send and Recv.

Run by peers.py, two of it under mpiexec, with the interpreter of build/bench-peers: peer_mpi4py.py SOCKET.
"""

import sys

from mpi4py import MPI
from peer_end import serve

BYTES = 48


def main() -> None:
    world = MPI.COMM_WORLD
    role, other = world.Get_rank(), 1 - world.Get_rank()
    out, into = [bytearray(BYTES), MPI.BYTE], [bytearray(BYTES), MPI.BYTE]
    mpi_send, mpi_receive = world.Send, world.Recv

    def send() -> None:
        mpi_send(out, other)

    def receive() -> None:
        mpi_receive(into, other)

    serve(role, sys.argv[1], send, receive)


main()
