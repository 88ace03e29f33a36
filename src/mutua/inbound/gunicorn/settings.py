"""gunicorn's settings: which its user may choose, and which would open the door or go round it.

gunicorn has a hundred settings, and every version brings new ones. Whatever is not in ``TUNABLE`` is refused where
somebody has set it, in ``gunicorn.conf.py`` or ``GUNICORN_CMD_ARGS``: without ``cert_reqs`` its ``ca_certs`` asks
nobody for a certificate, ``forwarded_allow_ips`` lets headers move the path, and with uvicorn's worker the hook
``ssl_context`` is never called.
"""

from gunicorn.config import Config, make_settings  # type: ignore[import-untyped]

from mutua.errors import InvalidSettings
from mutua.inbound.forwarded.fields import MAX_FIELD_BYTES

TUNABLE = frozenset(
    {
        # How much work, how long.
        *("backlog", "threads", "worker_connections", "max_requests", "max_requests_jitter"),
        *("timeout", "graceful_timeout", "keepalive"),
        *("limit_request_line", "limit_request_fields", "limit_request_field_size", "websocket_max_message_size"),
        # The process.
        *("preload_app", "pidfile", "worker_tmp_dir", "tmp_upload_dir", "umask", "raw_env", "pythonpath"),
        *("proc_name", "default_proc_name", "asgi_loop", "sendfile", "config"),
        # What gunicorn itself says; mutua has its own access log.
        *("accesslog", "access_log_format", "disable_redirect_access_to_syslog", "errorlog", "loglevel"),
        *("logger_class", "logconfig", "logconfig_dict", "logconfig_json"),
        *("syslog", "syslog_addr", "syslog_prefix", "syslog_facility"),
        *("statsd_host", "statsd_prefix", "dogstatsd_tags", "enable_backlog_metric"),
        # Code of the user's own.
        *("on_starting", "on_reload", "when_ready", "pre_fork", "post_fork", "post_worker_init", "worker_int"),
        *("worker_abort", "child_exit", "worker_exit", "nworkers_changed", "on_exit", "pre_request", "post_request"),
    }
)
"""What may be set as one likes."""

_TLS = "mutua ends TLS itself, with --identity and the CAs of the home"
_FORWARDED = "who forwards is known from the socket alone, and [forwarded] in mutua.toml; see docs/proxies.md"
_OURS = "give it to mutua serve"

_REMEDIES = {
    **dict.fromkeys(("keyfile", "certfile", "ca_certs", "cert_reqs", "ssl_version", "ciphers"), _TLS),
    **dict.fromkeys(("ssl_context", "do_handshake_on_connect", "suppress_ragged_eofs", "http_protocols"), _TLS),
    **dict.fromkeys(("forwarded_allow_ips", "secure_scheme_headers", "forwarder_headers", "header_map"), _FORWARDED),
    **dict.fromkeys(("proxy_protocol", "proxy_allow_ips", "protocol", "uwsgi_allow_ips"), _FORWARDED),
    **dict.fromkeys(("bind", "workers", "worker_class", "wsgi_app", "reload"), _OURS),
}

THREADS = 8
"""Of a gthread worker; gunicorn's one would let a slow answer hold up all others."""

KEEPALIVE_SECONDS = 5
"""As uvicorn has it. gunicorn's 2 are meant for a proxy in front."""


class DoorSettings(Config):  # type: ignore[misc]
    """gunicorn's settings for a door.

    Attributes:
        ends_tls: whether the door does.
        forwards: whether a proxy may forward, whose headers are longer than others.
    """

    ends_tls = True
    forwards = False

    @property
    def is_ssl(self) -> bool:
        """Though gunicorn is given no certificate: TLS has ended before it sees a connection."""
        return self.ends_tls

    def lay_down(self, **given: object) -> None:
        """Refuse what must not be set, and set what the door needs.

        Args:
            given: settings that the caller decides.

        Raises:
            InvalidSettings: names every setting that has to go.
        """
        defaults = make_settings()
        set_by_user = {name for name, setting in self.settings.items() if setting.get() != defaults[name].get()}
        if refused := sorted(set_by_user - TUNABLE):
            raise InvalidSettings(
                f"gunicorn is set up with {', '.join(refused)}, which mutua does not allow",
                hint=f"take out {refused[0]}: {_REMEDIES.get(refused[0], 'it may let somebody in past the gate')}",
            )
        chosen = {"threads": THREADS, "keepalive": KEEPALIVE_SECONDS, "loglevel": "warning"}
        if self.forwards:
            chosen["limit_request_field_size"] = MAX_FIELD_BYTES
        for name in chosen.keys() - set_by_user:
            self.set(name, chosen[name])
        # From the environment they come as defaults (FORWARDED_ALLOW_IPS), which nobody has set.
        for name in ("forwarded_allow_ips", "proxy_allow_ips", "uwsgi_allow_ips", "forwarder_headers"):
            self.set(name, "")
        self.set("secure_scheme_headers", {})
        # Its server runs in a thread of a process that forks, and the commands are not ours to vouch for.
        self.set("control_socket_disable", True)  # noqa: FBT003 -- gunicorn's own interface
        for name, value in given.items():
            self.set(name, value)
