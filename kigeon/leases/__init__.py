"""Several replicas of kigeon on one JetStream: which of them are there, and which of them does what.

A *role* is what one replica alone may do: the pipeline (Watcher, Deduplicator, Queue), or one sender. Each replica
keeps a *lease*, one record that it renews every second; the record of a role names the replica that holds it. A
replica may work at its roles until its *tenure* ends, a time on its own steady clock that each renewal puts off.
Whoever has seen the lease of another unchanged for longer than any tenure lasts ends that lease, by compare-and-set,
and takes its roles.

No wall clock is asked. A lease decides who tries; what decides who may is, for each write, the expected last sequence
of a stream, or the revision of a record.

:mod:`~kigeon.leases.keeper` decides and :mod:`~kigeon.leases.assignment` spreads, both without I/O;
:mod:`~kigeon.leases.registry` reads and writes the records; :mod:`~kigeon.leases.member` is what runs.
"""
