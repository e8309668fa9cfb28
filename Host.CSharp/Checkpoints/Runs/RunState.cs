using System.Text.Json;
using System.Text.Json.Nodes;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// A run between two steps, as it lies in its folder's <c>last.safetensors</c>: the checkpoint of that moment, and
/// beside it what else it takes to go on as if nothing had happened.
/// </summary>
/// <param name="Arguments">The command line that started the run.</param>
/// <param name="WorkingFolder">Where that command line's relative paths begin.</param>
/// <param name="Threads">libtorch's threads: with another number sums are rounded otherwise.</param>
/// <param name="Callbacks">What each callback remembers, by its name.</param>
/// <param name="Data">What the run trains on; null in states of earlier versions.</param>
public sealed record RunState(
    IReadOnlyList<string> Arguments,
    string WorkingFolder,
    int Threads,
    RunPosition Position,
    JsonObject Callbacks,
    DataFacts? Data = null
)
{
    /// <summary>Before the names of the optimiser's tensors, which are no part of the network's state.</summary>
    public const string OptimizerPrefix = "optimizer.";

    private const string Key = "run_state";

    /// <summary>What goes into the file's metadata.</summary>
    public KeyValuePair<string, string> ToMetadata() => new(Key, JsonSerializer.Serialize(this));

    /// <exception cref="WorkException">The file holds no state of a run, or one that no run can be in.</exception>
    public static RunState Read(string path, Checkpoint file)
    {
        if (file.Metadata[Key] is not JsonValue text || !text.TryGetValue<string>(out var json))
            throw new WorkException(
                $"'{path}' holds no state of a run to go on from: --init starts a new run from its weights"
            );
        try
        {
            var state = StoredFields.Parse(json);
            return new RunState(
                state.Texts(nameof(Arguments)),
                state.Text(nameof(WorkingFolder)),
                (int)state.Whole(nameof(Threads), 1, CommandLine.MostThreads),
                RunPosition.Read(state.Inner(nameof(Position))),
                state.Inner(nameof(Callbacks)).Fields,
                state.Fields[nameof(Data)] is null ? null : DataFacts.Read(state.Inner(nameof(Data)))
            );
        }
        catch (BrokenFileException broken)
        {
            throw new WorkException($"'{path}': its state of a run is broken: {broken.Message}");
        }
    }
}

/// <summary><see cref="TrainingPosition"/> as it is stored.</summary>
public sealed record RunPosition(
    int Epoch,
    int Batch,
    long Step,
    long OptimizerSteps,
    long Left,
    long Count,
    long Correct,
    double Loss
)
{
    public static RunPosition Of(TrainingPosition p) =>
        new(p.Epoch, p.Batch, p.Step, p.OptimizerSteps, p.Left, p.Sums.Count, p.Sums.Correct, p.Sums.Loss);

    /// <exception cref="BrokenFileException">No run is ever there.</exception>
    internal static RunPosition Read(StoredFields stored)
    {
        long Count(string name, long most = long.MaxValue) => stored.Whole(name, 0, most);
        var images = Count(nameof(RunPosition.Count));
        return new(
            (int)Count(nameof(Epoch), int.MaxValue),
            (int)Count(nameof(Batch), int.MaxValue),
            Count(nameof(Step)),
            Count(nameof(OptimizerSteps)),
            // Earlier versions say nothing of it.
            stored.Fields[nameof(Left)]
                is null
                ? 0
                : stored.Whole(nameof(Left), long.MinValue, long.MaxValue),
            images,
            Count(nameof(Correct), images),
            stored.Number(nameof(Loss))
        );
    }

    public TrainingPosition ToPosition() =>
        new(Epoch, Batch, Step, OptimizerSteps, Left, new Sums(Count, Correct, Loss));
}
