using System.Globalization;
using Hybrid.Host.Callbacks;

namespace Hybrid;

/// <summary>
/// A run: what <c>hybrid train</c> takes. What is null is as it is there: the recipe of the model on its data. Values are
/// checked as they are there, too, all of them at once.
/// </summary>
public sealed record TrainingOptions
{
    /// <summary><c>folder:DIR</c> (a folder of pictures for each class, or those in <c>train</c>, <c>val</c> and
    /// <c>test</c>), <c>cifar10</c>, <c>cifar100</c> (with <c>:DIR</c> where they lie) or <c>shapes</c>.</summary>
    public required string Data { get; init; }

    /// <summary>A model by its name: the zoo's, or one that <see cref="Models.Add(string, Func{int, Net})"/> has made
    /// known.</summary>
    public string? Model { get; init; }

    /// <summary>Hyperparameters of the network by name; lists as <c>16,32,64</c>.</summary>
    public IReadOnlyDictionary<string, string>? Hyperparameters { get; init; }

    /// <summary>A checkpoint whose weights the run begins with; its last layer starts anew where it has another number of
    /// classes.</summary>
    public string? Init { get; init; }

    /// <summary>Trains the last layer alone for the whole run.</summary>
    public bool FreezeBody { get; init; }

    /// <summary>Trains the last layer alone in so many epochs, from the first on.</summary>
    public int? FrozenEpochs { get; init; }

    /// <summary>Learning rate of the layers before the last one, in units of <see cref="LearningRate"/>.</summary>
    public double? BodyRateFactor { get; init; }

    /// <summary>Passes over the training images.</summary>
    public int? Epochs { get; init; }

    /// <summary>Ends the run after so many steps, wherever it is in an epoch.</summary>
    public long? MaxSteps { get; init; }

    /// <summary>Images of one step.</summary>
    public int? BatchSize { get; init; }

    /// <summary><c>sgd</c>, <c>adamw</c>, <c>adam</c> or <c>rmsprop</c>.</summary>
    public string? Optimizer { get; init; }

    /// <summary>The learning rate that the schedule starts from.</summary>
    public double? LearningRate { get; init; }

    /// <summary><c>tutorial</c> or <c>none</c>.</summary>
    public string? Augment { get; init; }

    /// <summary>Ends the run when so many epochs have brought nothing better.</summary>
    public int? Patience { get; init; }

    /// <summary>Of the first weights, of shuffling and of augmentation.</summary>
    public long? Seed { get; init; }

    /// <summary>The folder that runs are made in.</summary>
    public string? Out { get; init; }

    /// <summary>As <see cref="ClassifierOptions.Device"/>.</summary>
    public string? Device { get; init; }

    /// <summary><c>float32</c>, <c>float64</c> or <c>bfloat16</c>.</summary>
    public string? Precision { get; init; }

    /// <summary>libtorch's threads, for the whole process.</summary>
    public int? Threads { get; init; }

    /// <summary>Any other option of <c>hybrid train</c>, by its name without dashes; those without a value have
    /// <c>true</c>.</summary>
    public IReadOnlyDictionary<string, string>? Others { get; init; }

    /// <summary>Told, line by line, what the command line would print: what was decided, and warnings. Null for nobody.
    /// </summary>
    public Action<string>? Log { get; init; }

    /// <summary>Told of each event like those built in; one may end the run.</summary>
    public IReadOnlyList<ICallback> Callbacks { get; init; } = [];

    /// <summary>The command line that says the same.</summary>
    internal string[] Arguments
    {
        get
        {
            (string Name, object? Value)[] own =
            [
                ("data", Data),
                ("model", Model),
                ("init", Init),
                ("freeze-body", FreezeBody ? "true" : FrozenEpochs),
                ("body-lr-factor", Text(BodyRateFactor)),
                ("epochs", Epochs),
                ("max-steps", MaxSteps),
                ("batch-size", BatchSize),
                ("optimizer", Optimizer),
                ("lr", Text(LearningRate)),
                ("augment", Augment),
                ("patience", Patience),
                ("seed", Seed),
                ("out", Out),
                ("device", Device),
                ("precision", Precision),
                ("threads", Threads),
            ];
            return
            [
                .. own.Where(it => it.Value is not null)
                    .Select(it => string.Create(CultureInfo.InvariantCulture, $"--{it.Name}={it.Value}")),
                .. (Hyperparameters ?? new Dictionary<string, string>()).Select(it => $"--hparam={it.Key}={it.Value}"),
                .. (Others ?? new Dictionary<string, string>()).Select(it => $"--{it.Key}={it.Value}"),
            ];
        }
    }

    private static string? Text(double? number) => number?.ToString("R", CultureInfo.InvariantCulture);
}
