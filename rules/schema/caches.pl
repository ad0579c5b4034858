:- module(schema_caches, []).
:- use_module('../schema').

/** <module> Caches, who shares them, and translation lookaside buffers */

:- fact(cache(id: count, level: count, type: oneof([data, instruction, unified]),
              size: or(bytes, oneof([unknown])), ways: or(count, oneof([unknown])),
              line_size: or(bytes, oneof([unknown])), inclusive: or(flag, oneof([unknown]))),
        [ doc("One physical cache. Ways is its associativity, 0 if fully associative. Only CPUID tells inclusive."),
          key([id]), source("CPUID leaf 4, 0x8000001D, 2, or 0x80000005 and 0x80000006; sysfs cache") ]).

:- fact(cache_shared(id: count, core: core),
        [ doc("A hardware thread that uses the cache."), source("CPUID leaf 4 or 0x8000001D; sysfs cache") ]).

:- fact(tlb(core: core, level: count, type: oneof([data, instruction, unified, load, store]), page_size: bytes,
            entries: count, ways: or(count, oneof([unknown]))),
        [ doc("Entries of a translation lookaside buffer for pages of one size. Ways is its associativity, 0 if fully associative. A buffer that holds several sizes has a row for each."),
          source("CPUID leaf 0x18, 2, or 0x80000005, 0x80000006 and 0x80000019") ]).
