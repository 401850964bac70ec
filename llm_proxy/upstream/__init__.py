"""The upstream: how both halves ask another server over HTTP, whatever it is asked."""
