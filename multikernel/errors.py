"""What can go wrong in the runtime, each with place, cause and remedy in its message."""


class MultikernelError(Exception):
    """Base of everything that the runtime raises on purpose."""


class BootError(MultikernelError):
    """The multikernel could not be started."""


class KernelDied(MultikernelError):
    """A kernel's process ended without being asked to."""

    def __init__(self, core: int, how: str) -> None:
        super().__init__(f"the kernel of core {core} died: {how}")
        self.core = core
        self.how = how


class RequestFailed(MultikernelError):
    """A monitor could not do what it was asked."""


class DispatcherFailed(MultikernelError):
    """An application's dispatcher ended with an exception."""


class ProtocolError(MultikernelError):
    """A peer sent what the protocol does not allow in this state."""
