using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary>The data of a run that is taken up again: where it lies now, and whether it is still the same.</summary>
internal static class ResumedData
{
    /// <summary>The run's request, for the data at the place that was named now.</summary>
    /// <param name="place">As <c>--data</c> names it; null for where it was.</param>
    /// <exception cref="RequestException">It is another kind of data, or a folder that is not there.</exception>
    public static TrainRequest Find(TrainRequest train, string? place)
    {
        var source = train.Data.Source;
        var moved = place is null ? train : Requests.Moved(train, place);
        if (moved.Data.Source.Tag != source.Tag)
            throw new RequestException(
                $"--data {place}: the run is of {source}, and --resume takes the same data at another place. --init starts "
                    + "a new run on other data"
            );
        if (moved.Data.Source is DataSource.Folder { Folder: var folder } && !NamedFolder.Exists(folder))
            throw new RequestException(
                $"there is no folder '{Path.GetFullPath(folder)}', where the run's data lay. If it was moved, name its "
                    + "place: --resume RUN --data folder:DIR"
            );
        return moved;
    }

    /// <summary>Compares the data with what the run's state says of it.</summary>
    /// <exception cref="RequestException">It was changed, and that is not accepted or has other classes.</exception>
    public static void Check(SavedRun saved, LoadedData data, bool accept, Output output)
    {
        // States of earlier versions say nothing.
        if (saved.State.Data is not { } then || then.Changes(data.Facts) is not { Count: > 0 } changes)
            return;
        var changed = $"{data.Name} is not as the run left it: {string.Join("; ", changes)}";
        if (!then.Classes.SequenceEqual(data.Facts.Classes))
            throw new RequestException(
                $"{changed}. A network of other classes is another network: put the data back, or start a new run with --init"
            );
        if (!accept)
            throw new RequestException($"{changed}. Put it back, or go on knowingly with --accept-changed-data");
        output.Warning(
            $"{changed}: going on as asked. Images may have moved from validation into training, an epoch that was begun is "
                + "begun anew, and the schedule goes on by epochs"
        );
    }

    /// <summary>Where the run goes on: where it was left, or at the beginning of that epoch where its images are others.
    /// </summary>
    /// <exception cref="WorkException">No run is ever there.</exception>
    public static TrainingPosition Place(SavedRun saved, Recipe recipe, LoadedData data)
    {
        var (then, place) = (saved.State.Data, saved.State.Position.ToPosition());
        if (Training.Fault(recipe, then?.Train ?? data.Train.Count, place) is { } fault)
            throw new WorkException($"'{saved.Source}': its state of a run is broken: {fault}");
        return IsChanged(saved, data) ? Training.Rebased(place) : place;
    }

    /// <summary>Whether the best epoch so far says nothing any more, since what it was chosen by is measured on other images.
    /// A run that is at its end has no other.</summary>
    public static bool BeginsAnew(SavedRun saved, MonitorRequest monitor, Recipe recipe, LoadedData data)
    {
        var ended = Training.IsOver(recipe, Training.Rebased(saved.State.Position.ToPosition()));
        return !ended && IsChanged(saved, data) && !saved.State.Data!.MeasuresAlike(monitor, data.Facts);
    }

    private static bool IsChanged(SavedRun saved, LoadedData data) =>
        saved.State.Data?.Changes(data.Facts) is { Count: > 0 };
}
