:- module(facts, []).

/** <module> What is known of one machine

The dynamic predicates that the files of `schema` declare, all exported: a rule module
says `:- use_module(facts)` and reads them by their names. Only the engine
writes them.
*/

:- use_module(schema).
:- use_module(schema/identity).
:- use_module(schema/cores).
:- use_module(schema/caches).
:- use_module(schema/acpi).
:- use_module(schema/acpi_iommu).
:- use_module(schema/acpi_platform).
:- use_module(schema/aml).
:- use_module(schema/pci).
:- use_module(schema/pci_express).
:- use_module(schema/memory).
:- use_module(schema/os).
:- use_module(schema/topology).
:- use_module(schema/measured).
:- use_module(schema/runtime).
