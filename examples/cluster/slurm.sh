#!/bin/bash
# A study on the nodes of a Slurm job: sbatch slurm.sh STUDY.yaml. `nas` must be installed in .venv on a shared disk.
#SBATCH --job-name=nas
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=1
#SBATCH --time=12:00:00
set -euo pipefail
source .venv/bin/activate
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 10000))
export RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))') # all tasks of the job get it

# Starts Ray on every node, and the launch on the first one once the others have joined; ends Ray with it.
srun ray symmetric-run --address "$head:$port" --min-nodes "$SLURM_JOB_NUM_NODES" -- \
    nas launch "$1" --address "$head:$port" --log lines
