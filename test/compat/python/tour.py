"""What a Python program does with a daemon by docker-py; ends with 0 when all of it is as it is with Docker."""

import io
import tarfile
import threading
import time

import docker
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound

client = docker.from_env()


def raises(kind, call, *args, **options):
    try:
        call(*args, **options)
    except kind as error:
        return error
    raise AssertionError(f"{call} did not raise {kind}")


def until(what, is_so):
    late = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < late, what()
        time.sleep(0.05)


assert client.ping()
assert client.version()["Os"] == "linux"
assert client.info()["Swarm"]["LocalNodeState"] == "inactive"

# run: output, exit codes, errors
assert client.containers.run("busybox", ["echo", "hello"], remove=True) == b"hello\n"
failed = raises(ContainerError, client.containers.run, "busybox", ["sh", "-c", "echo no >&2; exit 3"], remove=True)
assert failed.exit_status == 3 and b"no" in failed.stderr, failed
assert raises(NotFound, client.containers.get, "nope").status_code == 404

# events, while a container lives
seen = []
stream = client.events(decode=True)
watcher = threading.Thread(target=lambda: [seen.append(event) for event in stream], daemon=True)
watcher.start()

network = client.networks.create("py-net", driver="bridge", labels={"by": "python"},
    ipam=docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet="192.168.77.0/24", gateway="192.168.77.1")]))
assert network.attrs["IPAM"]["Config"][0]["Gateway"] == "192.168.77.1", network.attrs
assert raises(APIError, client.networks.create, "bad", ipam=docker.types.IPAMConfig(
    pool_configs=[docker.types.IPAMPool(subnet="nonsense")])).status_code == 400
volume = client.volumes.create("py-vol", labels={"by": "python"})
assert [it.name for it in client.volumes.list(filters={"label": "by=python"})] == ["py-vol"]

one = client.containers.run(
    "busybox", ["sh", "-c", "echo started; exec sleep 1000"], name="py-one", detach=True, network="py-net",
    ports={"80/tcp": ("127.0.0.1", None)}, environment={"A": "b"}, labels={"by": "python"},
    volumes={"py-vol": {"bind": "/data", "mode": "rw"}}, mem_limit="64m", stop_signal="SIGKILL")
one.reload()
assert one.status == "running"
assert one.attrs["NetworkSettings"]["Networks"]["py-net"]["IPAddress"].startswith("192.168.77.")
assert one.ports["80/tcp"][0]["HostIp"] == "127.0.0.1", one.ports
assert one.attrs["HostConfig"]["Memory"] == 64 << 20
assert one.image.tags == ["busybox:latest"]

# exec
code, output = one.exec_run(["sh", "-c", "echo $A; echo err >&2; exit 5"], demux=True)
assert (code, output) == (5, (b"b\n", b"err\n")), (code, output)
assert one.exec_run("id -u", user="7").output == b"7\n"
assert next(iter(one.exec_run("echo streamed", stream=True).output)) == b"streamed\n"
assert raises(APIError, one.exec_run, []).status_code == 400

# logs, stats, top
assert next(iter(one.logs(stream=True, follow=True))) == b"started\n"
assert one.logs() == b"started\n"
assert one.logs(timestamps=True, tail=1).endswith(b"Z started\n")
stats = one.stats(stream=False)
assert 0 < stats["memory_stats"]["usage"] < stats["memory_stats"]["limit"] == 64 << 20, stats["memory_stats"]
assert stats["networks"]["eth0"]["rx_bytes"] >= 0 and stats["cpu_stats"]["online_cpus"] > 0
assert next(iter(one.stats(decode=True)))["name"] == "/py-one"
first = lambda: one.top(ps_args="-o pid,args")["Processes"][0][1]
until(first, lambda: first() == "sleep 1000")

# life
one.pause(); one.reload(); assert one.status == "paused"
one.unpause(); one.rename("py-two"); one.reload(); assert one.name == "py-two"
one.update(mem_limit="128m", memswap_limit="256m"); one.reload()
assert one.attrs["HostConfig"]["Memory"] == 128 << 20
assert one in client.containers.list(filters={"label": "by=python", "status": "running", "network": "py-net"})
extra = client.networks.create("py-extra")
extra.connect(one, aliases=["also"])
extra.reload(); assert extra.containers == [one]
assert raises(APIError, extra.remove).status_code == 403
extra.disconnect(one); extra.remove()
one.restart(timeout=0)
one.kill()
assert one.wait()["StatusCode"] == 137
assert raises(APIError, one.kill).status_code == 409
assert raises(APIError, volume.remove).status_code == 409
one.remove(); network.remove(); volume.remove()
assert raises(NotFound, client.networks.get, "py-net").status_code == 404

# images
image = client.images.get("busybox")
assert image.tag("py-image", "1")
assert "py-image:1" in client.images.get("py-image:1").tags
assert [len(client.images.list(name=name)) for name in ("py-image", "nope")] == [1, 0]
saved = b"".join(image.save(named=True))
assert "manifest.json" in tarfile.open(fileobj=io.BytesIO(saved)).getnames()
client.images.remove("py-image:1")
assert client.images.load(saved)[0].id == image.id
assert image.history()[0]["Tags"] == ["busybox:latest"]
raises(ImageNotFound, client.images.get, "py-image:1")
raises(ImageNotFound, client.containers.create, "no-such-image")

# prune and what was told of it all
client.containers.create("busybox")
assert len(client.containers.prune()["ContainersDeleted"]) == 1
assert client.networks.prune()["NetworksDeleted"] in (None, [])
expected = {("network", "create"), ("volume", "create"), ("container", "create"), ("network", "connect"),
            ("container", "start"), ("container", "pause"), ("container", "rename"), ("container", "die"),
            ("container", "destroy"), ("network", "destroy"), ("image", "tag")}
missing = lambda: expected - {(event["Type"], event["Action"]) for event in list(seen)}
until(missing, lambda: not missing())
stream.close()
print("all is as it should be")
