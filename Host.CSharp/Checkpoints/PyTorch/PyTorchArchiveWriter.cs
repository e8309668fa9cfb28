using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// Writes torch.save's zip format as torch.load reads it, also with <c>weights_only=True</c>, in PyTorch 1.6 and
/// later. Equal arguments give equal bytes; a file is there in whole or not at all.
/// </summary>
public static class PyTorchArchiveWriter
{
    private const string LightningPrefix = "model.",
        LightningVersion = "2.0.0";

    /// <summary>Writes a bare state dict, as <c>torch.save(model.state_dict(), path)</c> does.</summary>
    /// <param name="path">The file to write or replace.</param>
    /// <param name="tensors">The network's state dict.</param>
    /// <param name="hyperParameters">What rebuilds the network: hung onto the state dict as an attribute, JSON text,
    /// which PyTorch keeps and does not look at. Null for none.</param>
    /// <exception cref="ArgumentException">Two tensors share a name.</exception>
    /// <exception cref="Runtime.WorkException">The file cannot be written or would exceed 4 GiB.</exception>
    public static void WriteStateDict(
        string path,
        IReadOnlyList<StoredTensor> tensors,
        JsonObject? hyperParameters = null
    )
    {
        var pickle = new PickleWriter();
        StateDict(pickle, tensors, "");
        if (hyperParameters is not null)
        {
            pickle.Op(PickleOpcode.EmptyDict);
            pickle.Text(CheckpointFile.HyperParametersKey);
            pickle.Text(hyperParameters.ToJsonString());
            pickle.Op(PickleOpcode.SetItem);
            pickle.Op(PickleOpcode.Build);
        }
        Write(path, pickle, tensors);
    }

    /// <summary>
    /// Writes what PyTorch Lightning's <c>load_from_checkpoint</c> reads: the weights under <c>state_dict</c> with
    /// the prefix <c>model.</c>, the module's arguments under <c>hyper_parameters</c>.
    /// </summary>
    /// <param name="path">The file to write or replace.</param>
    /// <param name="tensors">The network's state dict, names without the prefix.</param>
    /// <param name="hyperParameters">Keyword arguments of the Lightning module.</param>
    /// <param name="epoch">Epochs completed before the one that this state ends.</param>
    /// <param name="globalStep">Optimiser steps taken.</param>
    /// <exception cref="ArgumentException">Two tensors share a name.</exception>
    /// <exception cref="Runtime.WorkException">The file cannot be written or would exceed 4 GiB.</exception>
    public static void WriteLightning(
        string path,
        IReadOnlyList<StoredTensor> tensors,
        JsonObject hyperParameters,
        long epoch,
        long globalStep
    )
    {
        var pickle = new PickleWriter();
        pickle.Op(PickleOpcode.EmptyDict);
        pickle.Op(PickleOpcode.Mark);
        pickle.Text("epoch");
        pickle.Int(epoch);
        pickle.Text("global_step");
        pickle.Int(globalStep);
        pickle.Text("pytorch-lightning_version");
        pickle.Text(LightningVersion);
        pickle.Text("state_dict");
        StateDict(pickle, tensors, LightningPrefix);
        pickle.Text("hparams_name");
        pickle.Text("kwargs");
        pickle.Text("hyper_parameters");
        pickle.Json(hyperParameters);
        pickle.Op(PickleOpcode.SetItems);
        Write(path, pickle, tensors);
    }

    private static void StateDict(PickleWriter pickle, IReadOnlyList<StoredTensor> tensors, string prefix)
    {
        if (tensors.GroupBy(tensor => tensor.Name).FirstOrDefault(group => group.Count() > 1) is { Key: var twice })
            throw new ArgumentException($"two tensors are called '{twice}'", nameof(tensors));
        pickle.OrderedDict();
        pickle.Op(PickleOpcode.Mark);
        for (var i = 0; i < tensors.Count; i++)
        {
            pickle.Text(prefix + tensors[i].Name);
            Tensor(pickle, tensors[i], i);
        }
        pickle.Op(PickleOpcode.SetItems);
    }

    private static void Tensor(PickleWriter pickle, StoredTensor tensor, int key)
    {
        pickle.Global("torch._utils", "_rebuild_tensor_v2");
        pickle.Op(PickleOpcode.Mark);

        pickle.Op(PickleOpcode.Mark);
        pickle.Text("storage");
        pickle.Global("torch", StorageType(tensor.DType));
        pickle.Text(key.ToString(CultureInfo.InvariantCulture));
        pickle.Text("cpu");
        pickle.Int(tensor.Count);
        pickle.Op(PickleOpcode.Tuple);
        pickle.Op(PickleOpcode.BinPersId);

        pickle.Int(0);
        pickle.Tuple(tensor.Shape);
        pickle.Tuple(Strides(tensor.Shape));
        pickle.Bool(false);
        pickle.OrderedDict();
        pickle.Op(PickleOpcode.Tuple);
        pickle.Op(PickleOpcode.Reduce);
    }

    // PyTorch counts a size of 0 as 1 here.
    private static long[] Strides(long[] shape)
    {
        var strides = new long[shape.Length];
        long stride = 1;
        for (var d = shape.Length - 1; d >= 0; d--)
        {
            strides[d] = stride;
            stride *= Math.Max(shape[d], 1);
        }
        return strides;
    }

    private static string StorageType(DType dtype) =>
        dtype switch
        {
            DType.Float64 => "DoubleStorage",
            DType.Float32 => "FloatStorage",
            DType.Float16 => "HalfStorage",
            DType.BFloat16 => "BFloat16Storage",
            DType.Int64 => "LongStorage",
            DType.Int32 => "IntStorage",
            DType.Int16 => "ShortStorage",
            DType.Int8 => "CharStorage",
            DType.UInt8 => "ByteStorage",
            _ => "BoolStorage",
        };

    private static void Write(string path, PickleWriter pickle, IReadOnlyList<StoredTensor> tensors)
    {
        var records = new List<(string, ReadOnlyMemory<byte>)>
        {
            ("archive/data.pkl", pickle.Finish()),
            ("archive/byteorder", Encoding.ASCII.GetBytes("little")),
        };
        for (var i = 0; i < tensors.Count; i++)
            records.Add(($"archive/data/{i}", tensors[i].Bytes));
        records.Add(("archive/version", Encoding.ASCII.GetBytes("3\n")));
        AtomicFile.Write(path, stream => StoredZip.Write(stream, records));
    }
}
