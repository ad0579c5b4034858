"""How a service was told to run, as far as requests notice."""

from dataclasses import dataclass

from skb.tokens import Tokens


@dataclass(frozen=True)
class Settings:
    """Defaults are those of a service on loopback that trusts whoever is on this machine."""

    tokens: Tokens | None = None
    """Those that are known; without, nobody can show one."""
    tokens_required: bool = False
    """Whether who shows none is refused; else they may do everything."""
    rate: float | None = None
    """Requests a second for each token that does not say otherwise; any number if None."""
    origins: tuple[str, ...] = ()
    """Sites whose pages may ask (CORS)."""
    loopback_names_only: bool = True
    """Whether requests for other host names are refused: not behind a proxy, and not where tokens are required."""
    log_requests: bool = False
    """Whether every request is logged, or those only that failed or took long."""
