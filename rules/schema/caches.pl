:- module(schema_caches, []).
:- use_module('../schema').

/** <module> Caches and who shares them */

:- fact(cache(id: count, level: count, type: oneof([data, instruction, unified]),
              size: or(bytes, oneof([unknown])), ways: or(count, oneof([unknown])),
              line_size: or(bytes, oneof([unknown])), inclusive: or(flag, oneof([unknown]))),
        [ doc("One physical cache. Ways is its associativity, 0 if fully associative. Only CPUID tells inclusive."),
          key([id]), source("CPUID leaf 4 or 0x8000001D; sysfs cache") ]).

:- fact(cache_shared(id: count, core: core),
        [ doc("A hardware thread that uses the cache."), source("CPUID leaf 4 or 0x8000001D; sysfs cache") ]).
