#!/usr/bin/env bash
# A SLURM of one node on this machine, on the loopback address, to try the slurm engine on.
#
#     apt-get install slurm-wlm munge        # Debian, Ubuntu
#     eval "$(scripts/slurm_here.sh start)"  # as root; sets SLURM_CONF for this shell
#     flatfast sweep scalar-product --engine slurm ...
#     scripts/slurm_here.sh status
#     scripts/slurm_here.sh stop             # nothing is left running
#
# Configuration, state, key, logs and the sockets lie in one folder (--dir FOLDER; by default
# flatfast-slurm in TMPDIR). No service of the system is touched, nothing listens but on 127.0.0.1.
set -euo pipefail

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
    exit 2
}

fail() {
    echo "slurm_here: $*" >&2
    exit 1
}

command=${1:-}
[ $# -gt 0 ] && shift
dir=${TMPDIR:-/tmp}/flatfast-slurm
while [ $# -gt 0 ]; do
    case $1 in
        --dir) [ $# -gt 1 ] || usage; dir=$2; shift 2 ;;
        --dir=*) dir=${1#--dir=}; shift ;;
        *) usage ;;
    esac
done
case $dir in /*) ;; *) dir=$PWD/$dir ;; esac

export SLURM_CONF=$dir/slurm.conf
PATH=$PATH:/usr/sbin:/sbin
DAEMONS=(munged slurmctld slurmd)

# The process of a daemon of ours, if it is alive: never one of the system's own.
process_of() {
    local file=$dir/run/$1.pid pid
    [ -s "$file" ] || return 1
    pid=$(<"$file")
    # A number that the system has given away again is another program's.
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] && echo "$pid"
}

answers() { timeout 5 scontrol ping 2>/dev/null | grep -q "is UP"; }

node_state() { timeout 5 sinfo --noheader --format=%T 2>/dev/null; }

# until_true SECONDS COMMAND...
until_true() {
    local tries=$(($1 * 10))
    shift
    while ! "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

ready() { [[ $(node_state) =~ ^(idle|mixed|allocated) ]]; }

free_port() {
    local port
    for port in $(seq "$1" $(($1 + 99))); do
        # Nobody listens where a connection is refused.
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
    fail "no free port between $1 and $(($1 + 99))"
}

configure() {
    local host cores usable memory controller node binding=task/none cgroups=disabled
    host=$(hostname -s)
    # What slurmd itself finds, for more would make it drain the node; or what we may use of it.
    cores=$(slurmd -C | sed -n 's/.*CPUs=\([0-9]*\).*/\1/p')
    usable=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc) # which heeds threads, too
    [ "$usable" -ge "$cores" ] || cores=$usable
    memory=$(($(slurmd -C | sed -n 's/.*RealMemory=\([0-9]*\).*/\1/p') * 8 / 10))
    controller=$(free_port 26817)
    node=$(free_port $((controller + 1)))
    if taskset --cpu-list 0 true 2>/dev/null; then binding=task/affinity; fi
    # Up to 22.05 cgroups cannot be turned off, but version 1 does nothing until it is used.
    case $(slurmd -V) in *" 2"[0-2].*) cgroups=cgroup/v1 ;; esac
    echo "CgroupPlugin=$cgroups" >"$dir/cgroup.conf"
    cat >"$SLURM_CONF" <<CONF
ClusterName=here
SlurmctldHost=$host(127.0.0.1)
# Beside the usual 6817 and 6818, which a SLURM of the system may have.
SlurmctldPort=$controller
SlurmdPort=$node
# Listen on the address that is named above, not on all of them.
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
# One user on one machine: daemons and jobs are root's.
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A job that is queued again waits until its old credentials have run out: two minutes by default.
AuthInfo=socket=$dir/run/munge.socket,cred_expire=5
CredType=cred/munge
MpiDefault=none
MailProg=/bin/true

StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log

# Containers often give no cgroups to write to: processes are followed by parenthood instead.
ProctrackType=proctrack/linuxproc
JobAcctGatherType=jobacct_gather/none
# Cores are handed out one by one, and tasks are bound to theirs where the kernel lets us.
TaskPlugin=$binding
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# No database: sacct has nothing to tell, squeue knows jobs until MinJobAge seconds after the end.
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MinJobAge=120

# A job that is preempted, or whose node fails, is queued again, and at once.
JobRequeue=1
ReturnToService=2
MaxArraySize=10001
MaxJobCount=20000
# Tests should not wait: schedule as soon as anything changes, and take ends of jobs at once.
SchedulerType=sched/backfill
SchedulerParameters=defer_batch=no,sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
KillWait=5
InactiveLimit=0
SlurmctldTimeout=30
SlurmdTimeout=30

NodeName=$host NodeAddr=127.0.0.1 CPUs=$cores RealMemory=$memory State=UNKNOWN
# Two partitions for preemption: what is sent to "urgent" drives out what runs in "main".
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP PriorityTier=1 DefMemPerCPU=$((memory / cores))
PartitionName=urgent Nodes=$host MaxTime=INFINITE State=UP PriorityTier=2 DefMemPerCPU=$((memory / cores))
CONF
}

start() {
    local name
    [ "$(id -u)" = 0 ] || fail "only root can start it"
    for name in "${DAEMONS[@]}" sbatch; do
        command -v "$name" >/dev/null || fail "$name is missing: apt-get install slurm-wlm munge"
    done
    if ! { answers && ready; }; then
        stop
        trap 'stop >&2' EXIT # what has begun is not left behind where the rest fails
        mkdir -p "$dir"/{run,log,state,spool,key}
        # munged wants nobody else to be able to write around its key, socket and log.
        chmod 755 "$dir" "$dir/run"
        chmod 700 "$dir/key" "$dir/log" "$dir/state"
        # Jobs of the last start are not of this one.
        rm -rf "${dir:?}"/{state,spool,log}/*
        head -c 1024 /dev/urandom >"$dir/key/munge.key"
        chmod 600 "$dir/key/munge.key"
        configure
        munged --force --key-file="$dir/key/munge.key" --socket="$dir/run/munge.socket" \
            --pid-file="$dir/run/munged.pid" --log-file="$dir/log/munged.log" \
            --seed-file="$dir/key/munged.seed" >&2
        slurmctld -c -f "$SLURM_CONF" >&2 || fail "slurmctld does not start; see $dir/log/slurmctld.log"
        until_true 20 answers || fail "slurmctld does not answer; see $dir/log/slurmctld.log"
        slurmd -f "$SLURM_CONF" >&2 || fail "slurmd does not start; see $dir/log/slurmd.log"
        until_true 30 ready || fail "the node is $(node_state); see $dir/log/slurmd.log"
        trap - EXIT
    fi
    echo "export SLURM_CONF=$(printf %q "$SLURM_CONF")"
}

stop() {
    local name pid
    if answers; then
        scancel --user=root 2>/dev/null || true
        # Steps die with their jobs; without this they would outlive slurmd.
        until_true 15 no_jobs || true
    fi
    for name in slurmd slurmctld munged; do
        pid=$(process_of "$name") || continue
        kill "$pid" 2>/dev/null || continue
        until_true 10 gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
    done
}

no_jobs() { [ -z "$(timeout 5 squeue --noheader 2>/dev/null)" ]; }

gone() { ! kill -0 "$1" 2>/dev/null; }

status() {
    local name pid
    for name in "${DAEMONS[@]}"; do
        if pid=$(process_of "$name"); then echo "$name runs ($pid)"; else echo "$name does not run"; fi
    done
    answers || { echo "no SLURM answers in $dir"; return 1; }
    sinfo
    squeue
}

case $command in
    start) start ;;
    stop) stop ;;
    status) status ;;
    *) usage ;;
esac
