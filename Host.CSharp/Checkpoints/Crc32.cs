namespace Hybrid.Host.Checkpoints;

/// <summary>The checksum of zip archives: CRC-32 of ISO 3309 (reversed polynomial 0xEDB88320), eight bytes a turn.
/// </summary>
internal static class Crc32
{
    private static readonly uint[][] Tables = BuildTables();

    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        for (; bytes.Length >= 8; bytes = bytes[8..])
        {
            crc =
                Tables[7][bytes[0] ^ (crc & 0xff)]
                ^ Tables[6][bytes[1] ^ (crc >> 8 & 0xff)]
                ^ Tables[5][bytes[2] ^ (crc >> 16 & 0xff)]
                ^ Tables[4][bytes[3] ^ (crc >> 24)]
                ^ Tables[3][bytes[4]]
                ^ Tables[2][bytes[5]]
                ^ Tables[1][bytes[6]]
                ^ Tables[0][bytes[7]];
        }
        foreach (var b in bytes)
            crc = crc >> 8 ^ Tables[0][(byte)crc ^ b];
        return ~crc;
    }

    private static uint[][] BuildTables()
    {
        var tables = new uint[8][];
        for (var t = 0; t < 8; t++)
        {
            tables[t] = new uint[256];
            for (var i = 0u; i < 256; i++)
            {
                var crc = t == 0 ? i : tables[t - 1][i];
                for (var bit = 0; bit < 8; bit++)
                    crc = (crc & 1) == 0 ? crc >> 1 : crc >> 1 ^ 0xEDB88320;
                tables[t][i] = crc;
            }
        }
        return tables;
    }
}
