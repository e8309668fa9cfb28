using System.Runtime.InteropServices;

namespace Hybrid.Host.Runtime;

/// <summary>Work on batches that may be too large for the device.</summary>
public static class OutOfMemory
{
    /// <summary>Does the work; where memory runs out in it, says so in terms of the batch size.</summary>
    /// <exception cref="WorkException">Memory ran out.</exception>
    public static T Explain<T>(TorchModule network, int batchSize, bool training, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception error) when (Is(error))
        {
            var memory = DeviceMemory.All(network.Weights.Placement.Device);
            throw new WorkException(Footprints.TooLittleMemory(network, batchSize, training, memory), error);
        }
    }

    /// <summary>The same for work that comes to nothing by itself.</summary>
    public static void Explain(TorchModule network, int batchSize, bool training, Action work) =>
        Explain(
            network,
            batchSize,
            training,
            () =>
            {
                work();
                return true;
            }
        );

    public static bool Is(Exception error) =>
        error is OutOfMemoryException || error is ExternalException && Footprints.IsOutOfMemory(error.Message);
}
