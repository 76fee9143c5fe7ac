"""The job inside a bundle: its file, the command that runs it, and a cluster that can hold it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import yaml

from speechmill.errors import SpecError
from speechmill.jobs.service.spec import ServiceSpec
from speechmill.jobs.spec.job import ClusterSpec, JobSpec, ModelSpec

from ..pods import RAY_KINDS, Pod, limits, name_of, pods_of, ray_cluster
from ..render import Doc
from .quantities import amount
from .references import named, selected

JOB_FILE = "/etc/speechmill/job.yaml"
ENTRYPOINT = ["speechmill", "run", JOB_FILE, "--set", "cluster.address=auto"]


def job_errors(docs: list[Doc]) -> Iterator[str]:
    """What is wrong with the job files, with how they are run, and with the clusters that they are run on."""
    pods = pods_of(docs)
    for doc in docs:
        if doc["kind"] in RAY_KINDS:
            own = [pod for pod in pods if pod.owner is doc]
            if JOB_FILE not in _mounted(own[0], docs):
                yield f"{name_of(doc)}: the head has no {JOB_FILE}"
            problems = _service(doc, own) if doc["kind"] == "RayService" else _job(doc, own, docs)
            yield from (f"{name_of(doc)}: {problem}" for problem in problems)


def _job(doc: Doc, pods: list[Pod], docs: list[Doc]) -> Iterator[str]:
    if doc["kind"] == "RayJob" and shlex.split(doc["spec"]["entrypoint"]) != ENTRYPOINT:
        yield f"the entrypoint is not {shlex.join(ENTRYPOINT)}"
    files = _mounted(pods[0], docs)
    if JOB_FILE not in files:
        return
    try:
        job = JobSpec.parse(yaml.safe_load(files[JOB_FILE]), JOB_FILE)
    except (SpecError, yaml.YAMLError) as error:
        yield str(error)
        return
    uris = [job.input.uri] if isinstance(job.input.uri, str) else job.input.uri
    for uri in uris:
        if not uri.startswith("s3://") and uri not in files:
            yield f"input.uri {uri} is neither in S3 nor mounted into the head"
    if not job.output.uri.startswith("s3://"):
        yield f"output.uri {job.output.uri}: pods share no folder"
    if (url := job.output.s3.endpoint_url) is not None:
        yield from _store(url, job.output.uri.removeprefix("s3://").partition("/")[0], docs)
    yield from _capacity(doc, pods, job.model, job.cluster)


def _service(doc: Doc, pods: list[Pod]) -> Iterator[str]:
    for application in yaml.safe_load(doc["spec"]["serveConfigV2"])["applications"]:
        try:
            spec = ServiceSpec.parse(application.get("args") or {}, "args")
        except SpecError as error:
            yield str(error)
            continue
        yield from _capacity(doc, pods, spec.model, spec.cluster)


def _mounted(head: Pod, docs: list[Doc]) -> dict[str, str]:
    """Files of the ConfigMaps that the head mounts."""
    files: dict[str, str] = {}
    for mount in head.containers[0].get("volumeMounts") or []:
        source = head.volumes.get(mount["name"], {}).get("configMap") or {}
        data = (named(docs, "ConfigMap").get(source.get("name")) or {}).get("data") or {}
        files |= {str(PurePosixPath(mount["mountPath"]) / key): text for key, text in data.items()}
    return files


def _store(url: str, bucket: str, docs: list[Doc]) -> Iterator[str]:
    """The S3 server of the bundle: found by its Service, listening where that leads, with the bucket in it."""
    parts = urlsplit(url)
    service = named(docs, "Service").get(parts.hostname or "")
    if service is None or parts.port not in [port["port"] for port in service["spec"]["ports"]]:
        yield f"endpoint_url {url}: no Service with this name and port"
        return
    for pod in selected({"matchLabels": service["spec"]["selector"]}, pods_of(docs)):
        container = pod.containers[0]
        wanted = {f"-s3.port={container['ports'][0]['containerPort']}", f"-bucket={bucket}"}
        if missing := wanted - set(container.get("args") or []):
            yield f"{pod.where} is not started with {sorted(missing)}"


def _capacity(doc: Doc, pods: list[Pod], model: ModelSpec, cluster: ClusterSpec) -> Iterator[str]:
    """Device and replicas are counted when the job begins: where pods come later, both have to be named."""
    if cluster.address != "auto":
        yield f"cluster.address is {cluster.address}, the driver stands in the cluster: auto"
    if model.device == "auto" or not isinstance(cluster.replicas, int):
        yield "model.device and cluster.replicas have to be named: no worker may be there when the job begins"
        return
    groups = ray_cluster(doc)["workerGroupSpecs"]
    workers = [pod for pod in pods if pod.role == "worker"]
    room = sum(group["maxReplicas"] * _fitting(pod, model, cluster) for group, pod in zip(groups, workers, strict=True))
    if cluster.replicas > room:
        yield f"cluster.replicas is {cluster.replicas}, the workers have room for {room}"
    if any(bool(pod.gpus) != (model.device == "cuda") for pod in workers):
        yield f"model.device is {model.device}, and the workers' GPUs are {[pod.gpus for pod in workers]}"


def _fitting(pod: Pod, model: ModelSpec, cluster: ClusterSpec) -> int:
    own: dict[str, Any] = limits(pod.containers[0])
    by_cpu = int(amount(own.get("cpu", 0)) / cluster.cpus_per_replica)
    if model.device != "cuda":
        return by_cpu
    share = 1.0 if cluster.gpus_per_replica == "auto" else cluster.gpus_per_replica
    by_gpu = pod.gpus * int(1 / share) if share < 1 else int(pod.gpus / share)
    return min(by_cpu, by_gpu)
