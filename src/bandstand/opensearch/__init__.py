"""More than one machine: catalogue, indexes, memory, log and models in OpenSearch, behind the same protocols."""
