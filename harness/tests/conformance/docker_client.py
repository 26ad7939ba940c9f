"""What the `docker` package of Python does on an engine, through its own calls: each step printed as [what, value].

Reads {"name", "other", "image"} from standard input: a container of the workload that was created and prints eight lines,
a name for it later, and its image. The engine is the one that DOCKER_HOST names. Any step that fails ends it.
"""

import json
import sys
import threading
import time

import docker

told = json.load(sys.stdin)
client = docker.from_env(version="auto", timeout=60)
container = client.containers.get(told["name"])


def step(what, value=None):
    print(json.dumps([what, value]), flush=True)


def lines(output):
    return output.decode().splitlines()


def wait_for(count):
    deadline = time.monotonic() + 20
    while container.logs().count(b" seq=1 ") < count:
        assert time.monotonic() < deadline, "the container does not print"
        time.sleep(0.02)


began = int(time.time())
step("ping", client.ping())
step("version", client.version()["ApiVersion"])
step("info", [client.info()["OSType"], client.info()["LoggingDriver"]])

container.start()
wait_for(1)
container.reload()
step("start", container.status)
step("list", [[c.name, c.status] for c in client.containers.list(all=True, filters={"name": told["name"]})])
step("attrs", [container.attrs["Name"], container.attrs["State"]["Running"], container.image.tags])

step("logs", lines(container.logs(stdout=True, stderr=True)))
step("logs --tail 5 --since", lines(container.logs(tail=5, since=began - 60)))
step("logs --timestamps", lines(container.logs(timestamps=True, tail=2)))
step("logs --until", lines(container.logs(until=began - 60)))

stats = container.stats(stream=False)
step("stats", sorted(key for key in stats if key.endswith("_stats")))
step("stats, decoded", sorted(next(iter(container.stats(decode=True))).keys()) == sorted(stats.keys()))
step("top", container.top()["Titles"])

container.pause()
container.reload()
step("pause", container.status)
container.unpause()
container.reload()
step("unpause", container.status)

container.restart(timeout=5)
wait_for(2)
container.rename(told["other"])
container.reload()
step("restart, rename", [container.name, container.status])

followed = []
events = client.events(decode=True, filters={"container": container.id, "type": "container"})
follows = threading.Event()


def follow():
    for chunk in container.logs(stream=True, follow=True, tail=5):
        followed.append(chunk)
        follows.set()


follower = threading.Thread(target=follow)
follower.start()
assert follows.wait(timeout=30), "the follower hears nothing"
container.stop(timeout=5)
follower.join(timeout=30)
step("logs -f", [follower.is_alive(), b"".join(followed).decode().splitlines()])
heard = []
for event in events:
    heard.append(event["Action"])
    if event["Action"] == "stop":
        break
events.close()
step("events", heard)
step("wait", container.wait(timeout=30)["StatusCode"])

container.start()
wait_for(3)
container.kill()
step("kill, wait", container.wait(timeout=30)["StatusCode"])
container.start()
container.remove(force=True)
try:
    client.containers.get(container.id)
    step("remove", "it is still there")
except docker.errors.NotFound:
    step("remove", "it is gone")

made = client.containers.create(told["image"], command=["/leaksoak"], name=told["name"], network_mode="none")
step("create", [made.name, made.status])
made.remove()
step("images", [image.tags for image in client.images.list(name=told["image"])])
