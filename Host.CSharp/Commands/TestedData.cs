using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary>The parts of the data that a network was trained on: <c>val</c> is worth something only while no image of it was
/// trained on.</summary>
internal static class TestedData
{
    /// <summary>The data divided as training divided it, where the command line does not say otherwise.</summary>
    public static DataRequest AsTrained(DataRequest wanted, bool seedGiven, TrainedModel trained) =>
        trained.Set?.Division is { } division
            ? Requests.Divided(wanted, seedGiven, division.Held, division.Seed)
            : wanted;

    /// <summary>Compares the part that is tested with what it was in training.</summary>
    /// <param name="own">Whether the data is that of the training by its name.</param>
    /// <exception cref="RequestException">It has other images, and that is not accepted.</exception>
    public static void Check(TestRequest request, TrainedModel trained, LoadedData data, bool own, Output output)
    {
        // Nothing is taken from a part for tests.
        if (request.Split.IsTest || data.Undivided)
            return;
        var (part, now) = (request.Split, data.Division);
        if (trained.Set?.Division is not { } then)
        {
            if (own && now.Held is not null)
                output.Line(
                    $"'{trained.File}' does not say how {data.Name} was divided in training: if that was another way, {part} has "
                        + "images that it was trained on"
                );
            return;
        }
        if (then.Of(part) == now.Of(part))
            return;
        if (!own)
        {
            if (now.Held is not null)
                output.Line(
                    $"{data.Name} is not the set that the network was trained on: where it has images of that, {part} may too"
                );
            return;
        }
        var ways = (then.Held, then.Seed) == (now.Held, now.Seed) ? null : Way(then);
        var changed = ways is null
            ? $"{data.Name} is not as it was in training: its {part} part has other images"
            : $"{data.Name} is divided otherwise than in training, which was {ways}";
        if (!request.AcceptChangedData)
            throw new RequestException(
                $"{changed}, and the network may have been trained on some of them. {(ways is null ? "Put the set back" : "Leave those options out")}, "
                    + "or test knowingly with --accept-changed-data"
            );
        output.Warning($"{changed}: tested as asked, though the network may have been trained on some of them");
    }

    private static string Way(Division then) =>
        then.Held is { } held ? $"--val-size {held} --split-seed {then.Seed}" : "into parts of its own";
}
