:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(doctor).
:- use_module(testing).

:- begin_tests(doctor).

found(Facts, Found) :-
    given(Facts, findall(Severity-Subject-Finding, finding(Severity, Subject, Finding, _), Found)).

one(Facts, Severity, Subject, Words) :-
    found(Facts, Found),
    assertion(( member(Severity-Subject-Text, Found), sub_string(Text, _, _, _, Words) )).

test(an_imagined_machine_is_well, Found == []) :-
    imagined_machine(shape(2, 2, 2, 2), Facts),
    found(Facts, Found).
test(of_an_empty_one_nothing_is_said, Found == []) :-
    found([], Found).

test(each_finding_has_a_remedy) :-
    given([core(0, 0, 0)], forall(finding(_, _, _, Remedy), assertion(Remedy \== ""))).
test(errors_come_first, Severities == [error, note]) :-
    given([core(0, 0, 0), node_distance(1, 1, 20)], findall(Severity, finding(Severity, _, _, _), Severities)).

test(two_cores_one_apic) :-
    one([core(0, 4, 1), core(1, 4, 1), apic(0, 4, 1)], error, cores, "cores [0,1] have one APIC identifier, 4").
test(a_core_that_firmware_does_not_list) :-
    one([core(0, 4, 1), apic(0, 5, 1)], error, cores, "cores [0] are online with APIC identifiers").
test(fewer_cores_than_firmware_enables) :-
    one([core(0, 4, 1), apic(0, 4, 1), apic(1, 5, 1), apic(2, 6, 0)], note, cores, "firmware enables 2 processors, the system shows 1").
test(offline) :-
    one([core(0, 0, 1), core(3, 3, 0)], note, cores, "cores [3] are offline").
test(features_that_some_lack) :-
    one([core(0, 0, 1), core(1, 1, 1), cpu_feature(0, avx), cpu_feature(0, fma), cpu_feature(1, avx)],
        warning, cores, "cores [1] lack [fma]").
test(kinds_may_differ_in_features, Found == []) :-
    found([ core(0, 0, 1), core(1, 1, 1), cpu_kind(0, performance), cpu_kind(1, efficiency), cpu_feature(0, avx) ], Found).
test(steppings) :-
    one([cpu_family(0, 6, 85, 4), cpu_family(1, 6, 85, 7)], warning, cores, "processors of different steppings").
test(a_cache_over_packages) :-
    one([ cache(1, 3, unified, 1, 1, 64, 0), cache_shared(1, 0), cache_shared(1, 1), cpu_thread(0, 0, 0, 0), cpu_thread(1, 1, 0, 0) ],
        error, cores, "cores 0 and 1 share a cache of level 3 and sit in packages 0 and 1").

test(nodes_that_differ) :-
    one([core(0, 4, 1), cpu_affinity(4, 0), numa_core(1, 0)], error, numa, "firmware puts cores [0] into node 0").
test(nodes_that_are_numbered_otherwise_do_not_differ, Found == []) :-
    found([core(0, 4, 1), cpu_affinity(4, 5), node_domain(1, 5), numa_core(1, 0), numa_node(1, 5)], Found).
test(a_distance_from_itself) :-
    one([node_distance(0, 0, 12)], error, numa, "SLIT gives 12 as the distance of 0 from itself").
test(nearer_than_itself) :-
    one([node_distance(0, 1, 10)], error, numa, "not more than within a node").
test(one_sided) :-
    one([node_distance(0, 1, 21), node_distance(1, 0, 31)], note, numa, "SLIT gives 21 from 0 to 1, and 31 back").
test(no_distances) :-
    one([numa_core(0, 0), numa_core(1, 1), numa_node(0, 9), numa_node(1, 9)], warning, numa, "no distances between 2 nodes").
test(memory_of_two_nodes) :-
    one([memory_affinity(0, 100, 0, []), memory_affinity(64, 100, 1, [])], error, numa, "memory from 0x40 to 0x64 belongs to nodes 0 and 1").
test(a_node_without_memory) :-
    one([numa_core(0, 0), numa_core(1, 1), numa_node(0, 9), numa_node(1, 0), node_distance(0, 1, 21), node_distance(1, 0, 21)],
        warning, numa, "nodes [1] have cores and no memory").
test(unequal_nodes) :-
    one([ numa_core(0, 0), numa_core(1, 1), numa_node(0, 68_719_476_736), numa_node(1, 34_359_738_368),
          node_distance(0, 1, 21), node_distance(1, 0, 21) ], warning, memory, "between 34359738368 and 68719476736 bytes").
test(nodes_that_are_nearly_equal, fail) :-
    given([ numa_core(0, 0), numa_core(1, 1), numa_node(0, 68_719_476_736), numa_node(1, 67_000_000_000) ], unbalanced_memory(node, _, _)).
test(unequal_modules, Kind-Least-Most == module-8_589_934_592-17_179_869_184) :-
    given([memory_module(0, 'Size', "8192"), memory_module(1, 'Size', "16 GB")], unbalanced_memory(Kind, Least, Most)).
test(latency_against_slit) :-
    one([ numa_core(0, 0), numa_node(1, 9), numa_node(2, 9), node_distance(0, 1, 31), node_distance(0, 2, 21),
          memory_access(0, 1, 100, 1), memory_access(0, 2, 200, 1) ], note, memory, "from core 0 node 1 is nearer than 2").

bar_of(Function, Base, bar(addr(0, 0, Function, 0), 0, Base, 0x1000, memory, 32, 0)).
driven(Function, device_driver(addr(0, 0, Function, 0), d)).

test(overlapping_bars) :-
    maplist(bar_of, [1, 2], [0x1000, 0x1800], Bars),
    maplist(driven, [1, 2], Drivers),
    append(Bars, Drivers, Facts),
    one(Facts, error, pci, "BAR 0 of 0000:00:01.0 and BAR 0 of 0000:00:02.0 overlap in memory space at 0x1800").
test(bars_side_by_side, Found == []) :-
    maplist(bar_of, [1, 2], [0x1000, 0x2000], Bars),
    maplist(driven, [1, 2], Drivers),
    append(Bars, Drivers, Facts),
    found(Facts, Found).
test(a_long_bar_over_several) :-
    maplist(bar_of, [1, 2], [0x2000, 0x5000], Bars),
    maplist(driven, [1, 2, 3], Drivers),
    append([bar(addr(0, 0, 3, 0), 0, 0x1000, 0x8000, memory, 32, 0)|Bars], Drivers, Facts),
    found(Facts, Found),
    assertion(length(Found, 2)).
test(a_bar_without_address) :-
    bar_of(1, 0, Bar),
    driven(1, Driver),
    one([Bar, Driver], warning, pci, "BAR 0 of 0000:00:01.0 has no address").
test(a_degraded_link) :-
    one([ bridge(addr(0, 0, 1, 0), 0, 1, 1), device(addr(0, 1, 0, 0), 1, 1, 1, 1, 1, 1), pcie_port(addr(0, 1, 0, 0), endpoint, 2),
          pcie_link(addr(0, 1, 0, 0), 2500, 4, 8000, 4), pcie_link(addr(0, 0, 1, 0), 2500, 4, 5000, 16) ],
        warning, pci, "the link of 0000:01:00.0 runs at 2500 MT/s x4, both ends could do 5000 MT/s x4").
test(a_slot_that_is_slow) :-
    one([ bridge(addr(0, 0, 1, 0), 0, 1, 1), device(addr(0, 1, 0, 0), 1, 1, 1, 1, 1, 1), pcie_port(addr(0, 1, 0, 0), endpoint, 2),
          pcie_link(addr(0, 1, 0, 0), 2500, 4, 8000, 4), pcie_link(addr(0, 0, 1, 0), 2500, 4, 2500, 4) ],
        note, pci, "its slot cannot").
test(errors_that_were_seen) :-
    one([pci_errors(addr(0, 1, 0, 0), uncorrectable, [unsupported_request, malformed_tlp], [])],
        warning, pci, "0000:01:00.0 has seen uncorrectable errors: [malformed_tlp]").
test(asking_for_what_is_not_there_is_no_error, Found == []) :-
    found([pci_errors(addr(0, 1, 0, 0), uncorrectable, [unsupported_request], [])], Found).
test(buses_beyond_mcfg) :-
    one([pcie_confspace(0, 0, 63, 4096), device(addr(0, 64, 0, 0), 1, 1, 1, 1, 1, 1)], error, pci, "bus 40 of segment 0").
test(an_iommu_that_is_off) :-
    one([dmar_unit(0, 0, 4096, 4096, 1), device_driver(addr(0, 0, 0, 0), d)], note, pci, "firmware describes an IOMMU").

test(a_dispatcher_on_a_core_that_is_gone) :-
    one([dispatcher(app, 2, 1), core(1, 1, 0)], error, runtime, "app runs dispatcher 2 on core 1, which is offline").
test(measurements_against_caches) :-
    one([ cache_shared(1, 0), cache_shared(1, 1), message_rtt(0, 1, 900, 1, 800, 999), message_rtt(0, 2, 300, 1, 200, 400) ],
        note, runtime, "messages from core 0 to 1 were measured at 800 ps").

:- end_tests(doctor).
