"""Slips of a person's hand, one at a time: in which file, seen in which overlay, and what stands in place of what."""

from __future__ import annotations

Faults = list[tuple[str, str]]

BASE: dict[str, Faults] = {
    "base/kustomization.yaml": [
        ("newTag: 0.1.0-ray2.60.0", "newTag: latest"),
        ("configMapGenerator:", "configMapGenerators:"),
        ("  - networkpolicies.yaml\n", ""),
        ("  - name: speechmill\n    newName", "  - name: speechmil\n    newName"),
        ("-ray2.60.0", "-ray2.59.0"),
    ],
    "base/ray-references.yaml": [("kind: RayJob, path: spec/rayClusterSpec", "kind: RayJob, path: spec/rayCluster")],
    "base/namespace.yaml": [("enforce: restricted", "enforce: privileged"), ("kind: Namespace", "kind: NameSpace")],
    "base/serviceaccounts.yaml": [
        ("name: ray-worker", "name: ray-workers"),
        ("automountServiceAccountToken", "automountServiceAcountToken"),
        ("automountServiceAccountToken: false", "automountServiceAccountToken: true"),
    ],
    "base/job.yaml": [
        ("batch_size: auto_max", "batchsize: auto_max"),
        ("device: cuda", "device: auto"),
        ("replicas: 8", "replicas: auto"),
        ("replicas: 8", "replicas: 9"),
        ("s3://example-bucket/speech/run1", "out/run1"),
        ("address: auto", "address: local"),
    ],
    "base/pods/head.yaml": [
        ("mountPath: /dev/shm", "mountPath: /dev/shn"),
        ("medium: Memory", "medium: memory"),
        ("runAsNonRoot: true", "runAsNonRoot: false"),
        ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
        ("drop: [ALL]", "drop: [NET_RAW]"),
        ("type: RuntimeDefault", "type: Unconfined"),
        ("name: dash-metrics", "name: dashmetrics"),
        ("containerPort: 8265", "containerPort: 8256"),
        ("terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 30"),
        ("karpenter.sh/capacity-type, operator: NotIn", "karpenter.sh/capacity-type, operator: In"),
        ("configMap: {name: speechmill-job}", "configMap: {name: speechmill-jobs}"),
        ("value: void", "value: all"),
    ],
    "base/pods/worker.yaml": [
        ("terminationGracePeriodSeconds: 120", "terminationGracePeriodSeconds: 60"),
        ("RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S", "RAY_GRACEFULL_SHUTDOWN_DRAIN_TIMEOUT_S"),
        ("allowPrivilegeEscalation: false", "allowPriviledgeEscalation: false"),
        ("{name: cache, mountPath: /cache}", "{name: caches, mountPath: /cache}"),
        ("{name: metrics, containerPort: 8080}", "{name: metric, containerPort: 8080}"),
        ("value: /tmp", "value: /home/ray"),
    ],
    "base/pods/submitter.yaml": [
        ("restartPolicy: Never", "restartPolicy: never"),
        ("component: ray-submitter", "component: submitter"),
        ("limits: {cpu: 500m, memory: 1Gi}", "limits: {cpu: 500m, memory: 1gi}"),
        ("  spec:\n", "  spec:\n    hostNetwork: true\n"),
    ],
    "base/networkpolicies.yaml": [
        ("policyTypes: [Ingress, Egress]", "policyTypes: [Ingres, Egress]"),
        ("{}\n  policyTypes: [Ingress, Egress]", "{}\n  policyTypes: [Egress]"),
        ("kubernetes.io/metadata.name: kuberay-system", "kubernetes.io/metadata.name: kuberay"),
        ("port: 8265", "port: 8256"),
        ('ray.io/is-ray-node: "yes"', 'ray.io/is-ray-node: "true"'),
        ("k8s-app: kube-dns", "k8s-app: coredns"),
        ("cidr: 169.254.20.10/32", "cidr: 169.254.20.1/32"),
        ("protocol: UDP", "protocol: TCP"),
        ("port: 443,", "port: 80,"),
        ("kubernetes.io/metadata.name: monitoring", "kubernetes.io/metadata.name: prometheus"),
        ("ray.io/node-type: head", "ray.io/node-type: worker"),
        ("- podSelector:\n            matchLabels:\n              app.kubernetes.io/component", "- podSelector:\n"
         "            matchLabels:\n              app.kubernetes.io/part-of"),
    ],
    "base/podmonitors.yaml": [
        ("port: as-metrics", "port: as_metrics"),
        ("ray.io/node-type: worker", "ray.io/node-type: workers"),
        ("podMetricsEndpoints", "podMetricEndpoints"),
        ("__meta_kubernetes_pod_label_ray_io_cluster", "__meta_kubernetes_pod_label_cluster"),
        ("release: prometheus", "release: prom"),
    ],
    "components/s3-secret/kustomization.yaml": [
        ("key: AWS_SECRET_ACCESS_KEY", "key: AWS_SECRET_KEY"),
        ("- name: AWS_ACCESS_KEY_ID", "- name: AWS_ACCES_KEY_ID"),
        ("name: speechmill-s3, key", "name: speechmill-s4, key"),
    ],
    "components/gpu/kustomization.yaml": [
        ("key: nvidia.com/gpu, operator: Exists", "key: nvidia.com/gpus, operator: Exists"),
        ('32Gi, nvidia.com/gpu: "1"}\n                limits', '32Gi, nvidia.com/gpu: "2"}\n                limits'),
        ('nvidia.com/gpu: "1"', 'nvidia.com/gpus: "1"'),
        ("NVIDIA_VISIBLE_DEVICES, $patch: delete", "NVIDIA_VISIBLE_DEVICES, value: void"),
    ],
    "components/spot/kustomization.yaml": [
        ("values: [SPOT]", "values: [spot]"),
        ("azure.com/scalesetpriority, operator: Equal", "azure.com/scalesetpriorities, operator: Equal"),
        ("/template/spec/tolerations/-", "/template/spec/toleration/-"),
    ],
}  # fmt: skip

OVERLAY: dict[str, dict[str, Faults]] = {
    "rayjob-batch": {
        "kustomization.yaml": [
            ("fieldPath: template}", "fieldPath: templates}"),
            ("[groupName=gpu]", "[groupName=gpus]"),
            ("automountServiceAccountToken: true", "automountServiceAccountToken: false"),
            ("  - ../../components/gpu\n", ""),
        ],
        "rayjob.yaml": [
            ("submissionMode: K8sJobMode", "submissionMode: K8SJobMode"),
            ("submissionMode: K8sJobMode", "submissionMode: SidecarMode"),
            ("shutdownAfterJobFinishes: true", "shutdownAfterJobFinishes: false"),
            ("  backoffLimit: 3\n  pre", "  backoffLimit: 0\n  pre"),
            ("  activeDeadlineSeconds: 172800\n", ""),
            ("rayVersion: 2.60.0", "rayVersion: 2.61.0"),
            ("mode: token", "mode: disabled"),
            ('num-cpus: "0"', "num-cpus: 0"),
            ('num-cpus: "0"', 'num-cpu: "0"'),
            ('object-store-memory: "536870912"', 'object-store-memory: "5368709120"'),
            ("version: v2", "version: v1"),
            ("serviceType: ClusterIP", "serviceType: LoadBalancer"),
            ("maxReplicas: 8", "maxReplicas: 4"),
            ("      volumeMounts:\n        - {name: tmp, mountPath: /tmp}\n", ""),
            ("      env:\n        - {name: HOME, value: /tmp}\n", ""),
            ("enableInTreeAutoscaling: true", "enableInTreeAutoscaling: false"),
            ("/etc/speechmill/job.yaml", "/etc/speechmill/jobs.yaml"),
            ("--set cluster.address=auto", "--set cluster.adress=auto"),
            ("  name: batch", "  name: batch-of-a-very-long-name-that-kuberay-takes-for-too-long"),
        ],
        "poddisruptionbudget.yaml": [
            ("component: ray-head", "component: ray-heads"),
            ("minAvailable: 1", "minAvailable: 100%"),
        ],
    },
    "raycluster-shared": {
        "raycluster.yaml": [
            ("mode: token", "mode: Token"),
            ("headGroupSpec", "headGroup"),
            ("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true"),
        ],
        "kustomization.yaml": [("kind: RayCluster, name: shared", "kind: RayCluster, name: share")],
        "poddisruptionbudget.yaml": [("instance: shared", "instance: batch")],
    },
    "kueue": {
        "kustomization.yaml": [
            ("queue-name: speechmill", "queue-name: speechmil"),
            ("/spec/rayClusterSpec/autoscalerOptions", "/spec/rayClusterSpec/autoscalerOption"),
            ("enableInTreeAutoscaling\n        value: false", "enableInTreeAutoscaling\n        value: true"),
            ("workerGroupSpecs/0/replicas\n        value: 8", "workerGroupSpecs/0/replicas\n        value: 9"),
        ],
        "queues.yaml": [
            ('nvidia.com/gpu, nominalQuota: "8"', 'nvidia.com/gpu, nominalQuota: "7"'),
            ("clusterQueue: speechmill", "clusterQueue: speechmil"),
            ("[cpu, memory, nvidia.com/gpu]", "[cpu, memory]"),
            ("kueue.x-k8s.io/v1beta2", "kueue.x-k8s.io/v1beta3"),
            ("- name: speechmill\n          resources", "- name: gpus\n          resources"),
        ],
    },
    "cpu-demo": {
        "rayjob.yaml": [
            ("replicas: 1\n        min", "replicas: 2\n        min"),
            ("speechmill run", "speechmil run"),
            ("groupName: cpu", "groupName: cpus"),
        ],
        "job.yaml": [
            ("http://s3:8333", "http://s3:8334"),
            ("corpus.csv", "corpora.csv"),
            ("replicas: 2", "replicas: 3"),
            ("device: cpu", "device: cuda"),
        ],
        "s3.yaml": [
            ("targetPort: s3", "targetPort: s4"),
            ("  selector:\n    app.kubernetes.io/name: s3", "  selector:\n    app.kubernetes.io/name: s4"),
            (
                "    matchLabels:\n      app.kubernetes.io/name: s3",
                "    matchLabels:\n      app.kubernetes.io/name: s4",
            ),
            ("containerPort: 8333", "containerPort: 8334"),
            ("image: chrislusf/seaweedfs", "image: chrislusf/seaweed"),
            ("mountPath: /data", "mountPath: /date"),
            ("-s3.port=8333", "-s3.port=8334"),
            ("-bucket=speech", "-bucket=demo"),
            ("runAsNonRoot: true", "runAsNonRoot: yes please"),
        ],
        "networkpolicies.yaml": [
            ("port: 8333", "port: 8334"),
            ("app.kubernetes.io/name: s3", "app.kubernetes.io/name: s3s"),
        ],
        "kustomization.yaml": [
            ("      - corpus.csv\n", ""),
            ('newTag: "4.48"', "newTag: latest"),
        ],
    },
    "rayservice": {
        "rayservice.yaml": [
            ("import_path: speechmill.jobs", "import_path: speechmill.job"),
            ("port: 8000", "port: 8001"),
            ("route_prefix", "route-prefix"),
            ("device: cuda", "device: gpu"),
            ("serveConfigV2", "serveConfig"),
            ("excludeHeadPodFromServeSvc: true", "excludeHeadPodFromServeSvc: false"),
        ],
        "worker.yaml": [("path: /ready", "path: /readyz"), ("SPEECHMILL_API_TOKEN", "SPEECHMILL_TOKEN")],
        "head.yaml": [
            ("key: token", "key: tokens"),
            ("instance: speech", "instance: speak"),
            ("valueFrom: {secretKeyRef: {name: speechmill-service, key: token}}", "value: not-so-secret"),
        ],
        "networkpolicies.yaml": [
            ('speechmill-client: "true"', 'speechmill-clients: "true"'),
            ("instance: speech", "instance: speak"),
        ],
        "poddisruptionbudgets.yaml": [("minAvailable: 1", "minAvailable: 2")],
        "kustomization.yaml": [("  - path: worker.yaml\n", ""), ("kind: RayService, name", "kind: RayServe, name")],
    },
}

FAULTS: list[tuple[str, str, str, str]] = [
    *(("rayjob-batch", path, old, new) for path, faults in BASE.items() for old, new in faults),
    *(
        (overlay, f"overlays/{overlay}/{path}", old, new)
        for overlay, files in OVERLAY.items()
        for path, faults in files.items()
        for old, new in faults
    ),
]
"""Overlay that shows it, file, text, and what is planted in its place."""
