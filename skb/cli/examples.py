"""An example or more of each command: in its help, in the manual, and run by the tests."""

from collections.abc import Mapping, Sequence

EXAMPLES: Mapping[str, Sequence[str]] = {
    "serve": ("skb serve", "skb serve --port 0 --no-probe --json"),
    "probe": ("skb probe", "skb probe cpuid --json", "skb probe --from machine.tar.zst --prolog"),
    "record": ("skb record machine.tar.zst", "skb record anonymous.tar.zst --anonymous --json"),
    "facts": (
        "skb facts",
        "skb facts core",
        "skb facts cpu_thread package=0 --json",
        "skb facts core --from new.jsonl",
    ),
    "query": (
        "skb query 'core(Core, _, Online)'",
        "skb query 'numa_core(Node, Core)' --param Core=0 --json",
        "skb query 'cpu_thread(C, P, _, _)' --from new.jsonl --limit 3",
    ),
    "place": (
        "skb place traffic.csv",
        "skb place --distance distance.csv --traffic traffic.csv --json",
        "skb place traffic.csv --from new.jsonl --cores 0-3 --avoid 2 --json",
        "skb place traffic.csv --exclusive physical_core=0 --prefer 1=0",
        "skb place traffic.csv --from new.jsonl --current 0,- --move-price 1000000 --emit taskset",
    ),
    "tree": (
        "skb tree 0",
        "skb tree --latency latency.csv --root 0 --json",
        "skb tree 0 --from new.jsonl --json",
        "skb tree --latency latency.csv --roots 0,2 --max-degree 2",
        "skb tree 0 --from new.jsonl --members 0-3 --relays 4-7 --reduce --json",
    ),
    "routes": (
        "skb routes --max-neighbours 2 --latency latency.csv",
        "skb routes -k 4 --from new.jsonl --cores 0-15 --json",
    ),
    "optimize": (
        "skb optimize model.pl",
        "skb optimize model.pl --from new.jsonl --seconds 5 --all 3 --json",
        "skb optimize model.pl --param Most=2 --explain --backend cpsat",
    ),
    "pci-plan": (
        "skb pci-plan --devices devices.json",
        "skb pci-plan --devices devices.json --space memory --headroom 2M --json",
        "skb pci-plan --devices devices.json --window 00:0x90000000-0x9fffffff --reserve 0x90000000-0x900fffff",
    ),
    "topology": (
        "skb topology",
        "skb topology --from new.jsonl --format dot",
        "skb topology --format svg --output me.svg",
    ),
    "explain": ("skb explain 'core(0, _, _)'", "skb explain 'core(0, Apic, _)' --from new.jsonl --json"),
    "load": ("skb load other machine.tar.zst", "skb load new new.jsonl --json"),
    "machines": ("skb machines", "skb machines --json", "skb machines --drop other"),
    "watch": ("skb watch", "skb watch net_interface numa_node --since 3 --json"),
    "synth": ('skb synth "pack:2 numa:2 l3:4 core:8 pu:2" --output new.jsonl', "skb synth --list --json"),
    "token create": ("skb token create grafana --scope read --days 90", "skb token create ci --scope write --json"),
    "token list": ("skb token list", "skb token list --json"),
    "token revoke": ("skb token revoke grafana", "skb token revoke ci --json"),
    "ask": (
        "skb ask",
        "skb ask numa_summary --json",
        "skb ask cache_groups level=3 --from new.jsonl",
    ),
    "doctor": ("skb doctor", "skb doctor --from new.jsonl --json"),
    "rules list": ("skb rules list", "skb rules list --json"),
    "rules show": ("skb rules show locality", "skb rules show locality --tests"),
    "rules versions": ("skb rules versions locality", "skb rules versions locality --json"),
    "rules check": ("skb rules check locality.pl", "skb rules check locality.pl --json"),
    "rules test": ("skb rules test locality.pl", "skb rules test locality.pl --json"),
    "rules push": ("skb rules push locality.pl", "skb rules push locality.pl --if-version 3 --json"),
    "rules rollback": ("skb rules rollback locality", "skb rules rollback locality --json"),
    "rules remove": ("skb rules remove locality", "skb rules remove locality --json"),
}


def text(command: str, between: str = "\n") -> str:
    """Give the end of a command's help; nothing for commands without examples."""
    lines = EXAMPLES.get(command, ())
    return between.join(["Examples:", *(f"  {line}" for line in lines)]) if lines else ""
