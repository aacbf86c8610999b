"""kigeon against a real kube-apiserver, etcd and Loki."""
