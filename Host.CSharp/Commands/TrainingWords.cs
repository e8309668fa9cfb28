using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary>What people are told before and after a run.</summary>
internal static class TrainingWords
{
    public static void Before(Output output, Model model, Plan plan, LoadedData data, Recipe recipe, string where)
    {
        var summary = Models.Summarise(plan);
        output.Line(
            $"{model.Name}: {summary.Params:N0} parameters, {summary.Macs / 1e6:F1} million multiply-adds an image"
        );
        output.Line(
            $"{data.Name}: {data.Train.Count:N0} images to train on, {data.Val.Count:N0} to validate on, "
                + $"{data.Test.Count:N0} to test on, {data.Train.Classes.Length} classes"
        );
        output.Line(
            $"{recipe.Epochs} {(recipe.Epochs == 1 ? "epoch" : "epochs")} of batches of {recipe.BatchSize}, {Training.OptimizerName(recipe)} "
                + $"at a rate of {recipe.LearningRate}, seed {recipe.Seed}; {where}"
        );
    }

    /// <param name="ended">Why the run ended early, if it did.</param>
    public static void After(Output output, TrainResult result, string? ended)
    {
        if (ended is not null)
            output.Line($"Ended early: {ended}");
        var which = result.BestCheckpoint is null ? "Last" : "Best";
        var val = result.ValAcc is { } v ? $"val accuracy {Output.Percent(v)}, " : "";
        var test = result.TestAcc is { } t ? $"test accuracy {Output.Percent(t)}" : "not tested";
        output.Line($"{which} epoch {result.BestEpoch + 1}: {val}{test}");
        output.Line($"{result.Seconds:F0} s, {result.ImagesPerSecond:F0} images/s in training");
        if (result.BestCheckpoint is { } file)
            output.Line(file);
        if (result.Report is { } report)
            output.Line(report);
    }
}
