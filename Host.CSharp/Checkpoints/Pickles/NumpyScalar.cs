using System.Buffers.Binary;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// NumPy's numbers, which programs leave among hyperparameters: a call of <c>scalar(dtype, bytes)</c>, whose type is
/// <c>dtype('f8', ...)</c>.
/// </summary>
internal static class NumpyScalar
{
    /// <summary>The plain number; null for anything else.</summary>
    public static PickleValue? Of(PickleObject value)
    {
        if (
            value
                is not {
                    Type: "numpy.core.multiarray.scalar" or "numpy._core.multiarray.scalar",
                    Arguments: [
                        PickleObject { Type: "numpy.dtype", Arguments: [PickleString type, ..] },
                        PickleBytes bytes,
                    ]
                }
            || bytes.Length > sizeof(double)
        )
            return null;
        var raw = bytes.ToArray();
        return (type.Value, raw.Length) switch
        {
            ("f8", 8) => new PickleFloat(BinaryPrimitives.ReadDoubleLittleEndian(raw)),
            ("f4", 4) => new PickleFloat(BinaryPrimitives.ReadSingleLittleEndian(raw)),
            ("f2", 2) => new PickleFloat((double)BinaryPrimitives.ReadHalfLittleEndian(raw)),
            ("i8", 8) or ("i4", 4) or ("i2", 2) or ("i1", 1) => new PickleInt(new System.Numerics.BigInteger(raw)),
            ("u8", 8) or ("u4", 4) or ("u2", 2) or ("u1", 1) => new PickleInt(
                new System.Numerics.BigInteger(raw, isUnsigned: true)
            ),
            ("b1", 1) => raw[0] == 0 ? PickleBool.False : PickleBool.True,
            _ => null,
        };
    }
}
