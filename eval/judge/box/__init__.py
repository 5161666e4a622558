"""The inside of the sandbox that is written in Python, for machines without a compiler.

It imports nothing but the standard library, and as little of that as it can: it is started for
every submission. `launch` makes the namespaces, `rootfs` the file system, `init` is process 1 of
the box and measures, `child` becomes the program, which `program` runs (in every box).
"""
