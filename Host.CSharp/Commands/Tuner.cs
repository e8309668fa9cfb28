using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Logs;
using Hybrid.Host.Runtime;
using TorchSharp;

namespace Hybrid.Host.Commands;

/// <summary>What is looked for before a run: the batch size, then the learning rate at that size. The networks it is
/// looked for with start as the run's does and are thrown away.</summary>
internal sealed class Tuner(TrainRequest request, LoadedData data, Placement placement, Output output)
{
    /// <summary>Steps at one batch size: the first one fills caches.</summary>
    private const int Steps = 2;

    /// <summary>The request as it is after the search.</summary>
    public TrainRequest Request { get; private set; } = request;

    /// <summary>How the loss went over the rates; null where the rate was not looked for.</summary>
    public RateCurve? Curve { get; private set; }

    public void Settle()
    {
        if (Request.FindBatchSize)
            FindBatchSize();
        if (Request.FindRate)
            FindRate();
    }

    private void FindBatchSize()
    {
        using var network = Network(out var recipe);
        var most = Tuning.MostImages(data.Train);
        var size =
            placement.Device.type == DeviceType.CPU
                ? ByMeasure(network, recipe, most)
                : ByDoubling(network, recipe, most);
        if (size == 0)
            throw new WorkException(
                Footprints.TooLittleMemory(network, 2, training: true, DeviceMemory.All(placement.Device))
            );
        var reason =
            size == most
                ? $"an epoch is of {Counted.Of(data.Train.Count, "image")}"
                : $"memory of {placement.Device} bounds it";
        output.Line($"Batch size {size}: {reason}");
        Request = Requests.WithBatchSize(Request, size);
    }

    /// <summary>A GPU refuses what does not fit, and nothing else suffers.</summary>
    private int ByDoubling(TorchModule network, Recipe recipe, int most) =>
        Tuning.BatchSizeByDoubling(
            size =>
            {
                try
                {
                    Step(network, recipe, size);
                    return true;
                }
                catch (Exception error) when (OutOfMemory.Is(error))
                {
                    // What the failed step had made is held by objects that nobody refers to any more.
                    GC.Collect();
                    GC.WaitForPendingFinalizers();
                    return false;
                }
            },
            most
        );

    /// <summary>Main memory is promised to anybody and given out until the machine stands still.</summary>
    private int ByMeasure(TorchModule network, Recipe recipe, int most)
    {
        var free = DeviceMemory.Free(placement.Device) ?? 0;
        var readings = Tuning
            .Probes(most)
            .Select(size =>
            {
                Step(network, recipe, size);
                return new MemoryReading(size, Environment.WorkingSet);
            });
        return Tuning.BatchSizeByMeasure(network, free, readings, most);
    }

    private void Step(TorchModule network, Recipe recipe, int size)
    {
        for (var step = 0; step < Steps; step++)
        {
            Interrupt.Token.ThrowIfCancellationRequested();
            Tuning.Step(recipe, network, data.Train, data.Normalisation, size);
        }
        // The host does not wait for a GPU; reading anything makes it.
        using var read = network.Weights.Grad.sum();
        read.cpu().Dispose();
    }

    private void FindRate()
    {
        using var network = Network(out var recipe);
        var points = OutOfMemory.Explain(
            network,
            recipe.BatchSize,
            training: true,
            () => Tuning.Rates(recipe, network, data.Train, data.Normalisation, Interrupt.Token)
        );
        if (Tuning.Suggestion(points) is not { } rate)
            throw new WorkException(
                $"no learning rate is found: the loss ran away after {Counted.Of(points.Count, "step")}; name one with --lr"
            );
        output.Line(
            $"Learning rate {rate:G4}: there the loss fell fastest, over {points.Count} rates up to {points[^1].Rate:G4}"
        );
        Curve = new RateCurve(points, rate);
        Request = Requests.WithRate(Request, rate);
    }

    private TorchModule Network(out Recipe recipe)
    {
        var model = RequestedModel.Of(Request, data);
        recipe = Training.Recipe(Request, model);
        var network = Models.Build(model, Models.Plan(model, data.Train.Shape), placement, recipe.Seed);
        try
        {
            if (Request.Init.Length > 0)
                FineTuning.Start(network, RunCheckpoint.Of(Request.Init, _ => { }), Request.Model.Weights);
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }
}
