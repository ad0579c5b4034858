"""Instruction-set features, by the names Linux gives them in /proc/cpuinfo.

Each register of a leaf is a row of 32 names, bit 0 first; `-` is a bit that is reserved, is not a feature of the core,
or has no name in /proc/cpuinfo. Trailing reserved bits are left out. A name may stand at two bits: vendors put the same
speculation controls in different leaves, and Linux shows one name for them (`ibrs`, `ibpb`, `stibp`, `ssbd`).

Bits: Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E; Centaur's leaf 0xC0000001 from VIA's PadLock guide.
What Linux derives from anything but a CPUID bit (`rep_good`, `nopl`, `tsc_known_freq`, mitigations) is not here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from probes.cpuid.registers import Lookup

FEATURES: Mapping[tuple[int, int, str], str] = {
    (0x1, 0, "edx"): "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov"
    " pat pse36 pn clflush - dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe",
    (0x1, 0, "ecx"): "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm"
    " - pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave - avx f16c rdrand hypervisor",
    (0x6, 0, "eax"): "dtherm ida arat - pln - pts hwp hwp_notify hwp_act_window hwp_epp hwp_pkg_req - - - - - - - hfi",
    (0x6, 0, "ecx"): "aperfmperf - - epb",
    (0x7, 0, "ebx"): "fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx rdt_a"
    " avx512f avx512dq rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni"
    " avx512bw avx512vl",
    (0x7, 0, "ecx"): "- avx512vbmi umip pku ospke waitpkg avx512_vbmi2 - gfni vaes vpclmulqdq avx512_vnni"
    " avx512_bitalg tme avx512_vpopcntdq - la57 - - - - - rdpid - bus_lock_detect cldemote - movdiri movdir64b"
    " enqcmd sgx_lc",
    (0x7, 0, "edx"): "- - avx512_4vnniw avx512_4fmaps fsrm - - - avx512_vp2intersect - md_clear - - - serialize -"
    " tsxldtrk - pconfig arch_lbr ibt - amx_bf16 avx512_fp16 amx_tile amx_int8 ibrs+ibpb stibp flush_l1d"
    " arch_capabilities - ssbd",
    (0x7, 1, "eax"): "- - - - avx_vnni avx512_bf16 lass - - - - - - - - - - fred - - - - - - - - lam",
    (0x7, 1, "ebx"): "intel_ppin",
    (0x7, 1, "edx"): "- - - - - - - - - - - - - - - - - - - - - apx",
    (0xD, 1, "eax"): "xsaveopt xsavec xgetbv1 xsaves",
    (0xF, 0, "edx"): "- cqm_llc",
    (0xF, 1, "edx"): "cqm_occup_llc cqm_mbm_total cqm_mbm_local",
    (0x10, 0, "ebx"): "- cat_l3 cat_l2 mba",
    (0x10, 1, "ecx"): "- - cdp_l3",
    (0x10, 2, "ecx"): "- - cdp_l2",
    (0x80000001, 0, "edx"): "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb rdtscp"
    " - lm 3dnowext 3dnow",
    (0x80000001, 0, "ecx"): "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop"
    " skinit wdt - lwp fma4 tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb - bpext ptsc perfctr_llc mwaitx",
    (0x80000007, 0, "ebx"): "overflow_recov succor - smca",
    (0x80000007, 0, "edx"): "- - - - - - - hw_pstate constant_tsc+nonstop_tsc cpb - proc_feedback acc_power",
    (0x80000008, 0, "ebx"): "clzero irperf xsaveerptr - rdpru - mba - - wbnoinvd - - ibpb - ibrs stibp"
    " - - - - - - - amd_ppin ssbd virt_ssbd - cppc - - - brs",
    (0x8000000A, 0, "edx"): "npt lbrv svm_lock nrip_save tsc_scale vmcb_clean flushbyasid decodeassists - -"
    " pausefilter - pfthreshold avic - v_vmsave_vmload vgif - x2avic - v_spec_ctrl - - - - vnmi",
    (0x8000001F, 0, "eax"): "sme sev - sev_es sev_snp - - - - - - - - - debug_swap",
    (0x80000022, 0, "eax"): "perfmon_v2 amd_lbr_v2 amd_lbr_pmc_freeze",
    (0x80860001, 0, "edx"): "recovery longrun - lrti",
    (0xC0000001, 0, "edx"): "- - rng rng_en - - ace ace_en ace2 ace2_en phe phe_en pmm pmm_en",
}


def features(cpuid: Lookup) -> frozenset[str]:
    """Return the features that a core reports."""
    return frozenset(_features(cpuid))


def _features(cpuid: Lookup) -> Iterator[str]:
    for (leaf, subleaf, register), names in FEATURES.items():
        if subleaf and not _has_subleaf(cpuid, leaf, subleaf):
            continue
        registers = cpuid(leaf, subleaf)
        if registers is None:
            continue
        value: int = getattr(registers, register)
        for bit, name in enumerate(names.split()):
            if name != "-" and value >> bit & 1:
                yield from name.split("+")


def _has_subleaf(cpuid: Lookup, leaf: int, subleaf: int) -> bool:
    # Leaf 7 states its highest subleaf; the others answer zeros for a subleaf that is not there (Intel SDM, CPUID).
    if leaf != 0x7:
        return True
    first = cpuid(leaf, 0)
    return first is not None and subleaf <= first.eax
