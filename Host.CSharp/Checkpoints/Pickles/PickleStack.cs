namespace Hybrid.Host.Checkpoints;

/// <summary>
/// The pickle machine's stack and marks. A mark opens a group; what lies below the last one cannot be taken before
/// the group is closed.
/// </summary>
/// <param name="cursor">Where the machine reads, for messages.</param>
internal sealed class PickleStack(PickleCursor cursor)
{
    private readonly List<PickleValue> values = [];
    private readonly List<int> marks = [];

    public bool IsEmpty => values.Count == 0 && marks.Count == 0;

    private int Floor => marks.Count == 0 ? 0 : marks[^1];

    public void Mark() => marks.Add(values.Count);

    public void Push(PickleValue value) => values.Add(value);

    public PickleValue Top() => values.Count > Floor ? values[^1] : throw Missing();

    public PickleValue Pop() => Pop(1)[0];

    /// <summary>The last <paramref name="count"/> values, in the order in which they were pushed.</summary>
    public PickleValue[] Pop(int count) => values.Count - Floor >= count ? From(values.Count - count) : throw Missing();

    /// <summary>The last group, which is closed by this.</summary>
    public PickleValue[] PopGroup()
    {
        if (marks.Count == 0)
            throw cursor.Misplaced("closes a group that was not opened");
        var start = marks[^1];
        marks.RemoveAt(marks.Count - 1);
        return From(start);
    }

    /// <summary>Forgets the last value or, as in Python, the last mark where nothing lies above it.</summary>
    public void Discard()
    {
        if (marks.Count > 0 && marks[^1] == values.Count)
            marks.RemoveAt(marks.Count - 1);
        else
            Pop();
    }

    private PickleValue[] From(int start)
    {
        var items = values.GetRange(start, values.Count - start).ToArray();
        values.RemoveRange(start, items.Length);
        return items;
    }

    private BrokenFileException Missing() => cursor.Misplaced("takes a value that is not there");
}
