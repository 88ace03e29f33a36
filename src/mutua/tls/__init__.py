"""TLS: who I am (Identity), whom I believe (Trust), who is there (PeerCertificate), and why it failed."""
