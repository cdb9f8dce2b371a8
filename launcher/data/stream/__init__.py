"""The order of a prepared data set: windows of permuted blocks, packs, and the cursor that says how far it was read."""
