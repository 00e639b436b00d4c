package dev.quern.evaluation;

/** A value and one standard error of it. */
public record Estimate(double value, double error) {}
