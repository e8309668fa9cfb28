using System.Text;
using Hybrid.Host.Checkpoints;

namespace Hybrid.Host.Runtime;

/// <summary>What file systems take, in bytes of UTF-8: a path that is too long for its files would be found out one folder
/// after the other.</summary>
internal static class PathLength
{
    private const int LongestName = 255;

    /// <summary>With room for the names of what is written below.</summary>
    private const int LongestPath = 4095 - 200;

    /// <exception cref="RequestException">The folder's path, or a name in it, is too long.</exception>
    public static void Check(string option, string folder)
    {
        var path = Path.GetFullPath(folder);
        var name = path.Split(Path.DirectorySeparatorChar).MaxBy(Encoding.UTF8.GetByteCount)!;
        if (Encoding.UTF8.GetByteCount(name) > LongestName)
            throw new RequestException(
                $"{option} names a folder of {Encoding.UTF8.GetByteCount(name)} bytes, expected at most {LongestName}: {Quoted.Plain(name, 40)}"
            );
        if (Encoding.UTF8.GetByteCount(path) > LongestPath)
            throw new RequestException(
                $"{option} is a path of {Encoding.UTF8.GetByteCount(path)} bytes, expected at most {LongestPath}"
            );
    }
}
