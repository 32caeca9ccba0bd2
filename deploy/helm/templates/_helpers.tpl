{{- define "sallyport.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels that never change: selectors use them. Takes { root, role }. */}}
{{- define "sallyport.selector" -}}
app.kubernetes.io/name: sallyport
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "sallyport.labels" -}}
{{ include "sallyport.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* The pod of a role: { root, role, login, settings }. `login` is the database login that the role may use. */}}
{{- define "sallyport.pod" -}}
{{- $values := .root.Values }}
{{- $settings := index $values .settings }}
{{- $grace := add (dig "drainSeconds" 0 $settings) $values.preStopSeconds 7 -}}
# Sallyport asks Kubernetes for nothing.
automountServiceAccountToken: false
# Else Kubernetes sets variables such as SALLYPORT_API_PORT, which a start refuses as unknown settings.
enableServiceLinks: false
# Process 1 is then not ours, and a process that is still starting obeys SIGTERM.
shareProcessNamespace: true
terminationGracePeriodSeconds: {{ $grace }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
{{- with $values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if ne .role "migrate" }}
topologySpreadConstraints:
  # The loss of a node leaves a copy of each role.
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: DoNotSchedule
    nodeTaintsPolicy: Honor
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels: {{- include "sallyport.selector" . | nindent 8 }}
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "sallyport.selector" . | nindent 8 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {}
  - name: state
    emptyDir: {}
  - name: secrets
    secret:
      secretName: {{ $values.existingSecret }}
      defaultMode: 0440
      items:
        - { key: auth_secret, path: auth_secret }
        - { key: key_encryption_key, path: key_encryption_key }
        - { key: redis_url.{{ eq .role "migrate" | ternary "api" .login }}, path: redis_url }
        - { key: database_url.{{ .login }}, path: database_url }
        {{- if eq .role "migrate" }}
        # It makes these logins, if the owner's may make any.
        - { key: database_url.api, path: database_url.api }
        - { key: database_url.mcp, path: database_url.mcp }
        - { key: database_url.worker, path: database_url.worker }
        {{- end }}
containers:
  - name: {{ .role }}
    image: "{{ $values.image.repository }}:{{ $values.image.tag | default .root.Chart.AppVersion }}"
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args: [{{ .role }}]
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: { drop: [ALL] }
    env:
      {{- $env := dict
        "SALLYPORT_PROFILE" "production"
        "HOST" "0.0.0.0"
        "PORT" "3000"
        "MCP_PORT" "3001"
        "METRICS_PORT" "9464"
        "BETTER_AUTH_URL" $values.url
        "MCP_URL" (printf "%s/mcp" $values.url)
        "SALLYPORT_DATA_DIR" "/var/lib/sallyport"
        "BETTER_AUTH_SECRET_FILE" "/run/sallyport-secrets/auth_secret"
        "KEY_ENCRYPTION_KEY_FILE" "/run/sallyport-secrets/key_encryption_key"
        "DATABASE_URL_FILE" "/run/sallyport-secrets/database_url"
        "REDIS_URL_FILE" "/run/sallyport-secrets/redis_url"
        "TRUSTED_PROXIES" (join "," $values.trustedProxies)
        "MARK_STORE" "s3"
        "MARK_S3_URL" $values.marks.url
        "MARK_S3_REGION" $values.marks.region
        "DRAIN_SECONDS" (toString $values.api.drainSeconds)
        "WORKER_DRAIN_SECONDS" (toString $values.worker.drainSeconds)
      }}
      {{- if eq .role "migrate" }}
      {{- range $process := list "api" "mcp" "worker" }}
      {{- $_ := set $env (printf "DATABASE_URL_%s_FILE" (upper $process)) (printf "/run/sallyport-secrets/database_url.%s" $process) }}
      {{- end }}
      {{- end }}
      {{- if eq .role "mcp" }}{{ $_ := set $env "DRAIN_SECONDS" (toString $values.mcp.drainSeconds) }}{{ end }}
      {{- range $name, $value := merge (dict) $values.settings $env }}
      {{- if ne (toString $value) "" }}
      - { name: {{ $name }}, value: {{ $value | toString | quote }} }
      {{- end }}
      {{- end }}
    {{- with $values.settingsSecrets }}
    envFrom:
      {{- range . }}
      - secretRef: { name: {{ . }} }
      {{- end }}
    {{- end }}
    {{- if ne .role "migrate" }}
    ports:
      {{- if eq .role "api" }}
      - { name: http, containerPort: 3000 }
      {{- else if eq .role "mcp" }}
      - { name: http, containerPort: 3001 }
      {{- end }}
      - { name: metrics, containerPort: 9464 }
    # New requests still come until every proxy knows that this pod ends.
    lifecycle:
      preStop: { sleep: { seconds: {{ $values.preStopSeconds }} } }
    {{- if eq .role "worker" }}
    # Not a liveness probe: 503 means that jobs do not move, and a restart moves none. A worker that cannot go on exits.
    readinessProbe:
      httpGet: { path: /healthz, port: metrics }
      periodSeconds: 5
      timeoutSeconds: 2
    {{- else }}
    startupProbe:
      httpGet: { path: /healthz, port: http }
      periodSeconds: 2
      timeoutSeconds: 2
      failureThreshold: 60
    readinessProbe:
      httpGet: { path: /readyz, port: http }
      periodSeconds: 2
      timeoutSeconds: 2
      failureThreshold: 2
    livenessProbe:
      httpGet: { path: /healthz, port: http }
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    {{- end }}
    {{- end }}
    resources: {{- toYaml $settings.resources | nindent 6 }}
    volumeMounts:
      - { name: tmp, mountPath: /tmp }
      - { name: state, mountPath: /var/lib/sallyport }
      - { name: secrets, mountPath: /run/sallyport-secrets, readOnly: true }
{{- end }}
