"""Writes events.bin with TensorBoard's own classes: what TestEventFile logs, after a resume at step 2 (last run with TensorBoard 2.21.0).

Run in this folder: python make_events.py. -check DIR prints the curves that TensorBoard reads from a folder.
"""
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

if sys.argv[1:2] == ["-check"]:
    acc = EventAccumulator(sys.argv[2], size_guidance={"scalars": 0, "tensors": 0})
    acc.Reload()
    for tag in sorted(acc.Tags()["scalars"]):
        print(tag, [(e.step, round(e.value, 6)) for e in acc.Scalars(tag)])
    sys.exit()


def summary(**values):
    return Summary(value=[Summary.Value(tag=t.replace("__", "/").replace("_", " "), simple_value=v) for t, v in values.items()])


T = 1700000000.25
with open("events.bin", "wb") as f:
    w = RecordWriter(f)
    for e in [
        Event(wall_time=T, file_version="brain.Event:2"),
        Event(wall_time=T, step=3, session_log=SessionLog(status=SessionLog.START)),
        Event(wall_time=T, step=3, summary=summary(loss__step=0.1, accuracy__step=float("inf"), rate=0.25)),
        Event(wall_time=T, step=300, summary=summary(loss__step=-3e-9, accuracy__step=float("-inf"), rate=0.125)),
        Event(wall_time=T, step=300, summary=summary(loss__train=0.5, loss__valid=0.75, accuracy__valid=1.0, samples_per_second=32.0)),
    ]:
        w.write(e.SerializeToString())
    w.flush()
