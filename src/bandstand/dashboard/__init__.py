"""What the operator's pages show: series over time, charts, what was asked, estimates, comparisons of models."""
