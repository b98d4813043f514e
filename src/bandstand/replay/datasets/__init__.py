"""Adapters of data sets: one small class each, turning files into a catalogue and a stream in time order."""
