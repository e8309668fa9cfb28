namespace Hybrid

open System

/// Which epoch is the best one.
type MonitorRequest = {
    /// One of `MetricName`.
    Metric: string
    HigherIsBetter: bool
    /// Epochs without a better value after which the run ends; 0 for never.
    Patience: int
    /// By how much a value has to beat the best for that; an improvement of just this much is none.
    MinDelta: float
} with

    /// Whether a value beats the best so far. What was not measured (NaN) beats nothing and is beaten by anything.
    member monitor.IsBetter(value: float, best: float) =
        if Double.IsNaN value then false
        elif Double.IsNaN best then true
        elif monitor.HigherIsBetter then value > best
        else value < best

    /// Whether it is measured on validation images.
    member monitor.NeedsValidation = Array.contains monitor.Metric MetricName.validation

    /// Whether a value is so much better than the best so far that waiting was worth it.
    member monitor.IsProgress(value: float, best: float) =
        let handicap = if monitor.HigherIsBetter then -monitor.MinDelta else monitor.MinDelta
        monitor.IsBetter(value + handicap, best)
