/** What the chart makes, as far as its tests read it. */
type Probe = { httpGet: { path: string; port: string } };
type Container = {
  image: string;
  args: string[];
  env: { name: string; value: string }[];
  envFrom?: { secretRef: { name: string } }[];
  securityContext: object;
  resources: { limits: Record<string, string> };
  ports?: { name: string; containerPort: number }[];
  startupProbe?: Probe;
  readinessProbe?: Probe;
  livenessProbe?: Probe;
  lifecycle?: { preStop: { sleep: { seconds: number } } };
};
export type PodSpec = {
  containers: [Container];
  enableServiceLinks: boolean;
  automountServiceAccountToken: boolean;
  shareProcessNamespace: boolean;
  terminationGracePeriodSeconds: number;
  securityContext: object;
  topologySpreadConstraints?: { topologyKey: string; whenUnsatisfiable: string }[];
  volumes: { name: string; secret?: { secretName: string; items: { key: string }[] } }[];
};
export type Manifest = {
  apiVersion: string;
  kind: string;
  metadata: { name: string; annotations?: Record<string, string> };
  spec: {
    replicas?: number;
    minReplicas?: number;
    maxUnavailable?: number;
    template: { spec: PodSpec };
    metrics?: { type: string }[];
    podSelector?: { matchLabels: Record<string, string> };
    ingress?: { ports: { port: string }[]; from?: object[] }[];
    ingressClassName?: string;
    tls?: object[];
    rules?: { host: string; http: { paths: { path: string; pathType: string; backend: { service: object } }[] } }[];
  };
};
