"""A real Slurm of one node, started by the tests themselves as root: Debian's slurm-wlm and munge."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "srun")

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={box}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={box}/state
SlurmdSpoolDir={box}/spool
SlurmctldPidFile={box}/slurmctld.pid
SlurmdPidFile={box}/slurmd.pid
SlurmctldLogFile={box}/slurmctld.log
SlurmdLogFile={box}/slurmd.log
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=2
MinJobAge=3600
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@contextmanager
def one_node(box: Path) -> Iterator[None]:
    """The cluster, with all its files in `box`; Slurm's commands find it by SLURM_CONF."""
    for name in ("state", "spool"):
        (box / name).mkdir()
    box.chmod(0o755)
    (box / "munge.key").write_bytes(os.urandom(1024))
    (box / "munge.key").chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    configuration = CONFIGURATION.format(host=host, box=box, ports=(free_port(), free_port()))
    (box / "slurm.conf").write_text(configuration)
    os.environ["SLURM_CONF"] = str(box / "slurm.conf")
    munge = [
        f"--{name}={box}/munge.{name.partition('-')[0]}" for name in ("key-file", "pid-file", "log-file", "seed-file")
    ]
    daemons = [
        ["munged", "--foreground", "--force", f"--socket={box}/munge.socket", *munge],
        ["slurmctld", "-D", "-f", str(box / "slurm.conf")],
        ["slurmd", "-D", "-f", str(box / "slurm.conf")],
    ]
    running = []
    try:
        for command in daemons:
            running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            time.sleep(1)
        until = time.monotonic() + 60
        while "idle" not in ask("sinfo", "--noheader", "--format=%T"):
            assert time.monotonic() < until, (box / "slurmctld.log").read_text()[-2000:]
            time.sleep(0.5)
        yield
    finally:
        subprocess.run(["scancel", "--user=root"], check=False, capture_output=True)
        for process in reversed(running):
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        del os.environ["SLURM_CONF"]


def ask(*command: str) -> str:
    """What a command of Slurm's prints; nothing while it does not answer."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
