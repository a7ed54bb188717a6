"""Every word of the explorer, in English and Chinese: one table. Letters of formulas are the same in both."""

from .. import rules

#: Names of the algorithms that differ in Chinese.
_CHINESE = {
    "momentum": "动量法",
    "momentum_ema": "动量法（EMA）",
    "momentum_torch": "动量法（PyTorch）",
    "heavy_ball": "重球法",
    "averaged_sgd": "平均 SGD",
    "rmsprop_centred": "RMSprop（中心化）",
    "rmsprop_momentum": "RMSprop + 动量",
    "adam_uncorrected": "Adam（不校正）",
    "sign_descent": "符号下降",
}
#: Names of the algorithms, (English, Chinese): every figure that names one reads them here.
ALGORITHMS = {name: (row.title, _CHINESE.get(name, row.title)) for name, row in rules.ROWS.items() if not row.whole}

#: Rules that are one algorithm under different conventions: what the switch offers.
CONVENTIONS = [
    [head, *same]
    for head in rules.ROWS
    if (same := [name for name, row in rules.ROWS.items() if row.kin == head and row.same])
]

#: How a memory is drawn in the close-up of one step: what is not named here is a number.
SQUARES = {"G": 1, "v": 1, "v_max": 1, "Eg2": 1, "Ed2": 1}

LABELS: dict[str, tuple[str, str]] = {
    # surfaces
    "surface": ("Surface", "曲面"),
    "bowl": ("Bowl", "碗"),
    "ravine": ("Ravine", "峡谷"),
    "rosenbrock": ("Rosenbrock", "Rosenbrock"),
    "beale": ("Beale", "Beale"),
    "himmelblau": ("Himmelblau", "Himmelblau"),
    "saddle": ("Saddle", "鞍面"),
    "three_lowlands": ("Three lowlands", "三片洼地"),
    "waves": ("Waves (one coordinate)", "波浪（一维）"),
    "stream": ("Given gradients", "给定的梯度"),
    # the picture
    "explorer": ("Explorer", "探索器"),
    "settings.picture": ("Settings of the scene", "场景设置"),
    "levels": ("Contour levels", "等高线"),
    "levels.auto": ("even", "均匀铺开"),
    "levels.log": ("logarithmic", "对数"),
    "levels.linear": ("linear", "线性"),
    "view": ("View", "视图"),
    "view.plane": ("contours", "等高线"),
    "view.relief": ("3-D", "三维"),
    "turn": ("Turn", "旋转"),
    "tilt": ("Tilt", "俯仰"),
    "map": ("Map of starts", "起点地图"),
    "map.off": ("off", "关"),
    "map.where": ("where they end", "落到哪里"),
    "map.fast": ("how fast", "有多快"),
    "map.of": ("Map for", "地图所用算法"),
    "drawing": ("drawing the map", "正在画地图"),
    "map.note.where": (
        "Colours: the minimum that a start reaches within {steps} steps with {name}; bare: none.",
        "颜色表示从该点出发，{name} 在 {steps} 步内落入哪个极小点；无色表示都没到。",
    ),
    "map.note.fast": (
        "The stronger the tint, the sooner {name} is at a minimum from there; bare: not within {steps} steps.",
        "着色越浓，{name} 从该点出发到达极小点越快；无色表示 {steps} 步内没到。",
    ),
    "map.note.stable": (
        "Tinted: the loss falls; the stronger the tint, the faster. Bare: it grows.",
        "着色处损失下降，着色越浓降得越快；无色处损失增大。",
    ),
    "map.failed": ("the map cannot be drawn here: {why}", "这里画不了地图：{why}"),
    # where the walk begins
    "start": ("Start", "起点"),
    "start.0": ("Start x", "起点 x"),
    "start.1": ("Start y", "起点 y"),
    "handle.hint": ("start: drag it", "起点，可拖动"),
    "handle": (
        "Start at {at}. Drag it, or move it with the arrow keys; with Shift ten times as far.",
        "起点在 {at}。可拖动，也可用方向键移动；按住 Shift 走十倍远。",
    ),
    "handle.map": (
        "{x} and {y} at {at}. Drag the point, or move it with the arrow keys.",
        "{x} 与 {y} 取 {at}。可拖动，也可用方向键移动。",
    ),
    "steps": ("Steps", "步数"),
    "noise": ("Gradient noise σ", "梯度噪声 σ"),
    "seed": ("Seed", "随机种子"),
    "batch_size": ("Batch size", "批大小"),
    "batch_size.all": ("all", "全部"),
    # algorithms
    "algorithms": ("Algorithms", "算法"),
    "algorithm": ("Algorithm", "算法"),
    "add": ("Add an algorithm", "添加算法"),
    "remove": ("Remove {name}", "移除 {name}"),
    "more": ("More", "更多"),
    "more.of": ("All settings of {name}", "{name} 的全部参数"),
    "settings": ("settings", "参数"),
    "rule.change": ("Change the rule", "改这条规则"),
    "rule.nan": (
        "{name} gives no number at step {t}: a root, logarithm or quotient has no value there.",
        "{name} 在第 {t} 步算不出数：那里的根号、对数或商没有意义。",
    ),
    "convention": ("Convention", "写法约定"),
    "same": ("Same path as {name}.", "与 {name} 的路径相同。"),
    "differs": ("Another path than {name}'s: {by} apart at most.", "与 {name} 的路径不同：最远相差 {by}。"),
    "late": ("{n} steps late", "迟 {n} 步"),
    "delay": ("Delay of the gradient", "梯度延迟"),
    "schedule": ("Schedule of η", "η 的调度"),
    "schedule.none": ("constant", "恒定"),
    "schedule.step": ("falling in steps", "阶梯下降"),
    "schedule.exponential": ("exponential fall", "指数下降"),
    "schedule.inverse_time": ("falling like 1/t", "按 1/t 下降"),
    "schedule.polynomial": ("linear fall", "线性下降"),
    "schedule.cosine": ("cosine fall", "余弦下降"),
    "schedule.warm_restarts": ("warm restarts", "热重启"),
    "schedule.triangular": ("triangular", "三角形"),
    "schedule.triangular2": ("triangular, halved", "三角形（逐次减半）"),
    "schedule.exp_range": ("triangular, falling", "三角形（指数衰减）"),
    "schedule.one_cycle": ("one cycle", "单周期"),
    "schedule.inverse_sqrt": ("warm-up, then 1/√t", "预热后按 1/√t"),
    "schedule.search_then_converge": ("search, then converge", "先搜索，后收敛"),
    "schedule.robbins_monro": ("Robbins–Monro", "Robbins–Monro"),
    "high": ("highest", "最高"),
    "low": ("lowest", "最低"),
    "half": ("half a cycle", "半周期"),
    "first": ("first cycle", "首个周期"),
    "factor": ("cycle grows by", "周期增长倍数"),
    "every": ("every … steps", "每隔几步"),
    "rise": ("share that rises", "上升段占比"),
    "warm": ("warm-up steps", "预热步数"),
    "start_ratio": ("high / first", "最高 / 起始"),
    "end_ratio": ("first / last", "起始 / 最终"),
    "power": ("power", "幂次"),
    "c": ("c", "c"),
    "a": ("power of t", "t 的幂次"),
    "tau": ("τ", "τ"),
    "end": ("last", "最终"),
    "k": ("k", "k"),
    "schedule.start": ("first", "初值"),
    "limit": ("2/L = {value}: beyond it gradient descent diverges", "2/L = {value}：超过它，梯度下降就发散"),
    # time
    "play": ("Play", "播放"),
    "pause": ("Pause", "暂停"),
    "back": ("One step back", "后退一步"),
    "forward": ("One step on", "前进一步"),
    "time": ("Step", "步"),
    "series": ("Curve", "曲线"),
    "series.loss": ("loss", "损失"),
    "series.x": ("x", "x"),
    "series.y": ("y", "y"),
    "series.gradient": ("size of the gradient", "梯度大小"),
    "series.step": ("length of the step", "步长"),
    "series.rate": ("effective rate", "有效学习率"),
    "series.lr": ("rate η", "学习率 η"),
    "series.memory": ("memory", "记忆量"),
    "series.move": ("step", "步长（带符号）"),
    "panel": ("{what} against the step", "{what}随步数的变化"),
    # what a scene leads to
    "goal": ("goal", "目标"),
    # what the one number that a figure is about means
    "hyper.lr": ("learning rate η", "学习率 η"),
    "hyper.gamma": ("memory γ", "记忆 γ"),
    "hyper.beta1": ("memory β₁", "记忆 β₁"),
    "hyper.beta2": ("memory of squares β₂", "平方的记忆 β₂"),
    # numbers
    "numbers": ("Numbers at this step", "这一步的数值"),
    "position": ("position", "位置"),
    "loss": ("loss", "损失"),
    "gradient": ("gradient", "梯度"),
    "effective": ("effective rate", "有效学习率"),
    # one step
    "cartoon": ("One step, close up", "单步特写"),
    "cartoon.alt": (
        "{name}, step {t}: from {from} to {to}; the gradient is {g}.",
        "{name} 第 {t} 步：从 {from} 到 {to}；梯度为 {g}。",
    ),
    "cartoon.end": ("{name} takes no step after {t}.", "{name} 在第 {t} 步之后不再移动。"),
    "cartoon.gradient": ("against the gradient", "负梯度方向"),
    "cartoon.inertia": ("what memory alone would do", "只凭记忆会走的一步"),
    "cartoon.correction": ("what the gradient adds", "梯度带来的修正"),
    "cartoon.step": ("the step", "实际一步"),
    "cartoon.squares": ("accumulated squares, as areas", "累积的平方，以面积表示"),
    "coordinate": ("Coordinate", "坐标"),
    # share
    "share": ("Share", "分享"),
    "link": ("Copy link", "复制链接"),
    "python": ("Copy Python", "复制 Python"),
    "svg": ("Download SVG", "下载 SVG"),
    "reset": ("Reset", "还原"),
    "copied": ("Copied.", "已复制。"),
    "copy.failed": ("The browser forbids copying: take it from here.", "浏览器不允许复制，请从这里取："),
    # what happened
    "bad.link": (
        "This link cannot be read ({why}), so the figure shows its own state.",
        "这个链接读不出来（{why}），因此显示图的默认状态。",
    ),
    "bad.state": ("This state cannot be shown: {why}", "这个状态无法显示：{why}"),
    "summary.surface": ("{surface}, {steps} steps from {start}.", "{surface}，从 {start} 出发走 {steps} 步。"),
    "summary.run": (
        "{name} is at {at} after {t} steps, with a loss of {loss}.",
        "{name} 走 {t} 步后在 {at}，损失为 {loss}。",
    ),
    "summary.free": ("{name} is at {at} after {t} steps.", "{name} 走 {t} 步后在 {at}。"),
    "leaves": ("{name} leaves the frame at step {t}.", "{name} 在第 {t} 步走出画面。"),
    "diverges": ("{name} diverges: no finite number from step {t} on.", "{name} 发散：从第 {t} 步起数值不再有限。"),
    "nan": (
        "{name} stops at step {t}: the gradient there is not a number.",
        "{name} 在第 {t} 步停下：那里的梯度不是数。",
    ),
    "nan.start": (
        "{name} cannot start: the gradient there is not a number.",
        "{name} 无法起步：起点处的梯度不是数。",
    ),
    # what the text asks a figure
    "read.arrival": ("arrives after {n} updates", "更新 {n} 次后到达"),
    "read.one": ("arrives after {n} update", "更新 {n} 次后到达"),
    "read.never": ("does not arrive within {n} updates", "更新 {n} 次仍未到达"),
    "read.diverges": ("diverges", "发散"),
    "read.nan": ("stops: the gradient is not a number", "停下：梯度不是数"),
    "read.rule": ("stops: the rule gives no number", "停下：规则算不出数"),
    "read.bounces": ("bounces", "来回跳"),
    "read.swings": ("swings", "来回摆"),
    "read.glides": ("glides", "平稳前进"),
    "read.verdict": ("{how}; {arrival}", "{how}；{arrival}"),
    # curves with a scrubber
    "chart": ("Curves", "曲线图"),
    "chart.at": ("At {what} {at}: {values}.", "{what} {at}：{values}。"),
    "chart.goes": (
        "Patience {n} goes on; the best so far is {kept}, {name} {value}.",
        "耐心值 {n}：继续训练；目前最好的在 {kept}，{name} {value}。",
    ),
    "chart.stopped": (
        "Patience {n} would have stopped at {stop} and kept {kept}, {name} {value}.",
        "耐心值 {n}：会在 {stop} 停下，保留 {kept} 处的结果，{name} {value}。",
    ),
    "chart.sum": ("together {sum}", "合计 {sum}"),
    "chart.never": ("never", "不会停"),
    "chart.patience": ("patience", "耐心值"),
    "chart.stops": ("stops", "停下"),
    "chart.keeps": ("keeps", "保留"),
    # why something asked for cannot be had
    "why.none": ("there is no state in it", "其中没有状态"),
    "why.entry": ('unknown entry "{name}"', "没有“{name}”这一项"),
    "why.key": ('this figure has no "{name}"', "这幅图没有“{name}”"),
    "why.reading": ('"{name}" asks about an algorithm that is not here', "“{name}”问的算法不在图中"),
    "why.surface": ('unknown surface "{name}"', "没有曲面“{name}”"),
    "why.tab": ('this figure has no tab "{name}"', "这幅图没有“{name}”这一页"),
    "why.algorithm": ('unknown algorithm "{name}"', "没有算法“{name}”"),
    "why.schedule": ('unknown schedule "{name}"', "没有调度“{name}”"),
    "why.hyper": ('{rule} has no "{name}"', "{rule} 没有参数“{name}”"),
    "why.memory": (
        "{rule} starts its memory at {name}, which takes no schedule",
        "{rule} 的记忆量以 {name} 起始，它不能用调度",
    ),
    "why.steps": ("steps = {value}, allowed are 1 to 5000", "步数为 {value}，只能取 1 到 5000"),
    "why.value": ("{name} = {value} is not allowed", "{name} = {value} 不在允许的范围内"),
    "why.minimum": ("no minimum", "没有极小点"),
}  # fmt: skip

#: Words of the network that is trained in the page (`optlib.widget.Network`), besides those of LABELS that it uses.
NET: dict[str, tuple[str, str]] = {
    "net": ("A network in training", "训练中的网络"),
    "net.says": ("After {t} updates: {told}.", "更新 {t} 次后，{told}。"),
    "net.told": (
        "{name}: loss {loss}, largest curvature {bend}; it can bear {limit}",
        "{name}：损失 {loss}，最大曲率 {bend}，能承受 {limit}",
    ),
    "net.free": ("{name}: loss {loss}, largest curvature {bend}", "{name}：损失 {loss}，最大曲率 {bend}"),
    "net.gone": ("{name} has left for good", "{name}：已发散"),
    "net.left": ("diverged", "已发散"),
    "net.again": ("From the start", "从头训练"),
    "net.seed": ("Other weights", "换一组初始权重"),
    "net.loss": ("loss", "损失"),
    "net.bend": ("largest curvature λ", "最大曲率 λ"),
    "net.axis": ("updates", "更新次数"),
}
#: The rows of LABELS that figures with a module of their own use, and those of the network alone.
TOO = ("bad.link", "bad.state", "why.none", "why.entry", "why.key", "why.value")
NET_TOO = (*TOO, "play", "pause", "why.algorithm")

#: Words of the time line (`optlib.widget.Timeline`), besides those of LABELS that it uses.
LINE: dict[str, tuple[str, str]] = {
    "line": ("Time line", "时间线"),
    "line.choose": ("Gradients: arrow keys choose a bar", "各次梯度：用方向键选择横条"),
    "line.unit": ("seconds", "秒"),
    "line.old": (
        "{who} {worker}, from {begin} to {end} s: reads version {version}, writes version {made}. "
        "{age} updates come in between: its gradient is {age} versions old.",
        "{who} {worker}，{begin} 到 {end} 秒：读到版本 {version}，写成版本 {made}；"
        "其间更新了 {age} 次，所以它的梯度旧 {age} 个版本。",
    ),
    "line.one": (
        "{who} {worker}, from {begin} to {end} s: reads version {version}, writes version {made}. "
        "One update comes in between: its gradient is one version old.",
        "{who} {worker}，{begin} 到 {end} 秒：读到版本 {version}，写成版本 {made}；"
        "其间更新了 1 次，所以它的梯度旧 1 个版本。",
    ),
    "line.fresh": (
        "{who} {worker}, from {begin} to {end} s: reads version {version}, writes version {made}. "
        "No update comes in between: its gradient is fresh.",
        "{who} {worker}，{begin} 到 {end} 秒：读到版本 {version}，写成版本 {made}；其间没有更新，梯度是新鲜的。",
    ),
    "line.kept": (
        "{who} {worker}, from {begin} to {end} s: reads version {version}; this gradient is not written by itself.",
        "{who} {worker}，{begin} 到 {end} 秒：读到版本 {version}；这个梯度没有单独写回。",
    ),
    "line.mean": ("Mean age of all {n} gradients: {mean}.", "全部 {n} 个梯度的平均年龄：{mean}。"),
}
