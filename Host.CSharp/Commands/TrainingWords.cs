using Hybrid.Host.Callbacks;
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
            $"{model.Name}: {Counted.Of(summary.Params, "parameter")}, {summary.Macs / 1e6:F1} million multiply-adds an image"
        );
        output.Line(
            $"{data.Name}: {Counted.Of(data.Train.Count, "image")} to train on, {data.Val.Count:N0} to validate on, "
                + $"{data.Test.Count:N0} to test on, {Counted.Of(data.Train.Classes.Length, "class", "classes")}"
        );
        if (data.OfPictures)
            OfPictures(output, data, recipe);
        output.Line(
            $"{Counted.Of(recipe.Epochs, "epoch")} of batches of {recipe.BatchSize}, {Training.OptimizerName(recipe)} "
                + $"at a rate of {recipe.LearningRate}, seed {recipe.Seed}; {where}"
        );
        if (OfBody(recipe) is { } words)
            output.Line(words);
    }

    /// <summary>How the layers before the last one are trained, where that is otherwise than it is; else null.</summary>
    private static string? OfBody(Recipe recipe)
    {
        var (frozen, factor) = (recipe.Body.FrozenEpochs, recipe.Body.RateFactor);
        const string body = "The layers before the last one";
        var rate = factor == 1 ? "" : $" at {factor} times that rate";
        return frozen >= recipe.Epochs ? $"{body} stay as they are (--freeze-body)"
            : frozen > 0 ? $"{body} are trained from epoch {frozen + 1} on{rate} (--freeze-body, --body-lr-factor)"
            : factor != 1 ? $"{body} are trained{rate} (--body-lr-factor)"
            : null;
    }

    /// <summary>What is made of pictures of one's own, and which classes come short.</summary>
    private static void OfPictures(Output output, LoadedData data, Recipe recipe)
    {
        var shape = (Shape.Image)data.Train.Shape;
        output.Line($"Pictures are brought to {shape.height}x{shape.width} pixels (--image-size)");
        var (count, size) = (data.Train.Count, recipe.BatchSize);
        if (recipe.DropLast && count >= size && count % size > 0)
            output.Line(
                $"Batches of {size} leave out {count % size:N0} of {Counted.Of(count, "image")} of every epoch"
                    + $"{(recipe.Shuffle ? ", others each time" : "")} (--batch-size, --no-drop-last)"
            );
        foreach (var (part, what) in new[] { (data.Train, "train"), (data.Val, "validate"), (data.Test, "test") })
        {
            if (part.Count == 0)
                continue;
            var classes = part.Classes.Zip(Datasets.PerClass(part)).ToLookup(it => it.Second, it => it.First);
            if (classes[0].ToList() is { Count: > 0 } none)
                output.Line($"No images to {what} on of {FolderLayout.Few(none)}");
            if (classes[1].ToList() is { Count: > 0 } one)
                output.Line($"One image to {what} on of {FolderLayout.Few(one)}");
        }
    }

    /// <summary>Of a run that is taken up again after its end.</summary>
    /// <param name="stopped">Why it had ended early, if it did.</param>
    /// <param name="last">Its last weights.</param>
    public static string NothingLeft(TrainingWatch run, string? stopped, string last)
    {
        var why = stopped is null ? "" : $", which ended early: {stopped}";
        return $"Nothing is left to train: the run is complete after {Counted.Of(run.Epochs, "epoch")} and {Counted.Of(run.Steps, "step")}{why}. To train on from "
            + $"its last weights, start a new run: hybrid train --init {last} --epochs N";
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
