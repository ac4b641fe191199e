"""Structural faults of an encoder, enumerated by layer, tensor and step, and the searches over them.

`layer` computes a layer with any of its `steps` varied; the modules named `*_families` enumerate the faults, and
`batched` computes many of them at once. `search` finds them by vectors, `stages` by intermediates.
"""
