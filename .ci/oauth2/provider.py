"""A second real provider: Authlib's authorization server under Flask, on a free port of this machine. It prints its issuer.

`python provider.py LIFE`: how long access tokens live, in seconds. The person at the page has allowed everything; devices are let in
at `/approve`. Refresh tokens rotate; one that comes back ends all that descend from the same sign-in.
"""
import json, logging, os, re, sys, threading, time

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # plain http, within this machine

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.models import AuthorizationCodeMixin, ClientMixin, TokenMixin
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE, DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialDict
from flask import Flask, jsonify, request
from werkzeug.serving import make_server

LIFE = int(sys.argv[1])
LOCK = threading.RLock()
STATS = {"issued": 0, "refused": 0, "why": {}}
TOKENS, CODES, DEVICES = [], {}, {}


class Client(ClientMixin):
    def __init__(self, id, secret, method, types):
        self.id, self.secret, self.method, self.types = id, secret, method, types

    def get_client_id(self):
        return self.id

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return scope or ""

    def check_redirect_uri(self, uri):
        return bool(re.fullmatch(r"http://127\.0\.0\.1:\d+/callback", uri))

    def check_client_secret(self, secret):
        return secret == self.secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method == self.method

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type in self.types


SERVICE, PERSON = ["client_credentials", "password", "refresh_token"], ["authorization_code", "refresh_token", DEVICE_CODE_GRANT_TYPE]
CLIENTS = {
    client.id: client
    for client in [
        Client("basic", "a-plain-secret", "client_secret_basic", SERVICE),
        Client("post", "another secret", "client_secret_post", SERVICE),
        Client("person", None, "none", PERSON),
    ]
}


class Token(TokenMixin):
    def __init__(self, data, client, user, lineage):
        self.data, self.client, self.user, self.lineage = data, client, user, lineage
        self.at, self.revoked, self.spent = time.time(), False, False

    def check_client(self, client):
        return self.client is client

    def get_scope(self):
        return self.data.get("scope", "")

    def get_expires_in(self):
        return self.data["expires_in"]

    def is_revoked(self):
        return self.revoked

    def is_expired(self):
        return time.time() >= self.at + self.data["expires_in"]

    def get_user(self):
        return self.user

    def get_client(self):
        return self.client


def save_token(data, asked):
    with LOCK:
        before = getattr(asked, "refresh_token", None)
        lineage = before.lineage if before else len(TOKENS)
        TOKENS.append(Token(data, asked.client, asked.user, lineage))
        STATS["issued"] += 1


def find(member, text):
    with LOCK:
        return next((token for token in reversed(TOKENS) if token.data.get(member) == text), None)


def end(lineage):
    with LOCK:
        for token in TOKENS:
            if token.lineage == lineage:
                token.revoked = True


class Code(AuthorizationCodeMixin):
    def __init__(self, asked):
        self.client, self.user, self.uri = asked.client, asked.user, asked.payload.redirect_uri
        self.scope, self.data = asked.payload.scope, asked.payload.data
        self.code_challenge = self.data.get("code_challenge")
        self.code_challenge_method = self.data.get("code_challenge_method")

    def get_redirect_uri(self):
        return self.uri

    def get_scope(self):
        return self.scope


class ByCode(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["none"]

    def save_authorization_code(self, code, asked):
        CODES[code] = Code(asked)

    def query_authorization_code(self, code, client):
        known = CODES.get(code)
        return known if known and known.client is client else None

    def delete_authorization_code(self, known):
        with LOCK:
            CODES.pop(next(code for code, other in CODES.items() if other is known))

    def authenticate_user(self, known):
        return known.user


class ByPassword(grants.ResourceOwnerPasswordCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def authenticate_user(self, username, password):
        return "ann" if (username, password) == ("ann", "open sesame") else None


class ByRefreshToken(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["none", "client_secret_basic", "client_secret_post"]
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, text):
        with LOCK:
            token = find("refresh_token", text)
            if token and token.spent:
                end(token.lineage)
                return None
            if token is None or token.revoked:
                return None
            token.spent = True
            return token

    def authenticate_user(self, token):
        return token.user or "nobody"

    def revoke_old_credential(self, token):
        pass  # it is spent; the access token beside it lives to its end


class ByDevice(DeviceCodeGrant):
    def query_device_credential(self, code):
        return DEVICES.get(code)

    def query_user_grant(self, user_code):
        known = next((known for known in DEVICES.values() if known["user_code"] == user_code), None)
        return ("ann", True) if known and known.get("allowed") else None

    def should_slow_down(self, credential):
        return False


class Devices(DeviceAuthorizationEndpoint):
    def get_verification_uri(self):
        return f"{ISSUER}/activate"

    def save_device_credential(self, client_id, scope, data):
        DEVICES[data["device_code"]] = DeviceCredentialDict(
            client_id=client_id, scope=scope or "", expires_at=time.time() + 600, **data
        )


class Revokes(RevocationEndpoint):
    CLIENT_AUTH_METHODS = ["none", "client_secret_basic", "client_secret_post"]

    def query_token(self, text, hint):
        return find("refresh_token", text) or find("access_token", text)

    def revoke_token(self, token, asked):
        end(token.lineage)


class Introspects(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def check_permission(self, token, client, asked):
        return token.client is client

    def query_token(self, text, hint):
        return find("access_token", text)

    def introspect_token(self, token):
        return {"active": not (token.revoked or token.is_expired()), "client_id": token.client.id, "scope": token.get_scope()}


class Validates(BearerTokenValidator):
    def authenticate_token(self, text):
        return find("access_token", text)


app = Flask(__name__)
app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {
    kind: LIFE for kind in ["authorization_code", "password", "client_credentials", "refresh_token", DEVICE_CODE_GRANT_TYPE]
}
provider = AuthorizationServer(app, query_client=CLIENTS.get, save_token=save_token)
ClientCredentials = type("ClientCredentials", (grants.ClientCredentialsGrant,), {
    "TOKEN_ENDPOINT_AUTH_METHODS": ["client_secret_basic", "client_secret_post"],
})
provider.register_grant(ClientCredentials)
provider.register_grant(ByCode, [CodeChallenge(required=True)])
for grant in (ByPassword, ByRefreshToken, ByDevice):
    provider.register_grant(grant)
for endpoint in (Devices, Revokes, Introspects):
    provider.register_endpoint(endpoint)
needs_token = ResourceProtector()
needs_token.register_token_validator(Validates())


@app.post("/token")
def token():
    answer = provider.create_token_response()
    if answer.status_code >= 400:
        error = json.loads(answer.get_data())
        if error["error"] not in ("authorization_pending", "slow_down"):
            STATS["refused"] += 1
            STATS["why"][error.get("error_description") or error["error"]] = True
    return answer


@app.get("/authorize")
def authorize():
    return provider.create_authorization_response(grant_user="ann")


@app.post("/device")
def device():
    return provider.create_endpoint_response(Devices.ENDPOINT_NAME)


@app.get("/approve")
def approve():
    wanted = request.args["user_code"]
    for known in DEVICES.values():
        if known["user_code"] == wanted:
            known["allowed"] = True
    return "let in"


@app.post("/revoke")
def revoke():
    return provider.create_endpoint_response(Revokes.ENDPOINT_NAME)


@app.post("/introspect")
def introspect():
    return provider.create_endpoint_response(Introspects.ENDPOINT_NAME)


@app.get("/me")
@needs_token()
def me():
    return jsonify(sub="ann")


@app.get("/stats")
def stats():
    return jsonify(STATS)


@app.get("/.well-known/oauth-authorization-server")
def metadata():
    return jsonify(
        issuer=ISSUER,
        authorization_endpoint=f"{ISSUER}/authorize",
        token_endpoint=f"{ISSUER}/token",
        device_authorization_endpoint=f"{ISSUER}/device",
        revocation_endpoint=f"{ISSUER}/revoke",
        introspection_endpoint=f"{ISSUER}/introspect",
        code_challenge_methods_supported=["S256"],
    )


logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = make_server("127.0.0.1", 0, app, threaded=True)
ISSUER = f"http://127.0.0.1:{server.server_port}"
print(ISSUER, flush=True)
server.serve_forever()
