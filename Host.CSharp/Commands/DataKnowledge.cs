using System.Globalization;
using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary>What a network's outputs mean and what its inputs were normalised by.</summary>
/// <param name="Classes">Names in the order of the outputs.</param>
/// <param name="Normalisation">Of the images that it was trained on.</param>
public sealed record DataKnowledge(IReadOnlyList<string> Classes, Normalisation Normalisation)
{
    /// <summary>What the checkpoint says, and where it says nothing what <c>--data</c> says. Classes that nobody names
    /// are called by their numbers.</summary>
    /// <param name="sourceGiven">Whether <c>--data</c> was given, which <paramref name="request"/> is of.</param>
    /// <exception cref="RequestException">Nobody says what the images were normalised by, or the data has another
    /// number of classes.</exception>
    public static DataKnowledge Of(TrainedModel trained, DataRequest request, bool sourceGiven, Output output)
    {
        var count = trained.Model.Classes;
        string[] numbers = [.. Enumerable.Range(0, count).Select(i => i.ToString(CultureInfo.InvariantCulture))];
        if (!sourceGiven)
            return trained.Normalisation is { } own
                ? new DataKnowledge(trained.Classes ?? numbers, own)
                : throw new RequestException(
                    $"'{trained.File}' does not say what its images were normalised by: name the data that it was "
                        + "trained on with --data, such as --data cifar10"
                );
        if (trained is { Normalisation: not null, Classes: not null })
        {
            output.Line($"'{trained.File}' knows its classes and its normalisation: --data is not needed");
            return new DataKnowledge(trained.Classes, trained.Normalisation);
        }

        using var data = new LoadedData(Requests.WithSize(request, trained.Input), output);
        var classes = data.Train.Classes;
        if (classes.Length != count)
            throw new RequestException(
                $"'{trained.File}' tells {Counted.Of(count, "class", "classes")} apart, {data.Name} has {classes.Length}"
            );
        return new DataKnowledge(trained.Classes ?? classes, trained.Normalisation ?? data.Normalisation);
    }
}
