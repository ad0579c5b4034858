"""What the Linux kernel says in /sys and /proc. Sources: Documentation/ABI in the kernel's tree, proc(5)."""
