"""Spark stages: functions from DataFrame to DataFrame, and the chain that makes a snapshot of them."""
