# Needs Python 3.11 or later and nothing else; the environment is made on the way. README says what each target costs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready
PYTEST = $(BIN)/python -m pytest -n2

# A module of studies/ each; the long ones come early, so that no core is left with one of them at the end.
MEASURE = people samples sweep compare resampling attention grids strength restoration report frequency unified \
	elbo cover
MEASURES = $(MEASURE:%=measure-%)

.PHONY: book lab html test train bench budgets measure check-studies clean $(MEASURES)

book: html  ## build the book and read it in a browser
	$(BIN)/python book/_ext/serve.py _build/html

lab: $(READY)  ## open the notebooks of the book in JupyterLab
	$(BIN)/jupyter lab book

html: $(READY)  ## build the book; a failed build forgets its pages, so that the next one reports the same faults
	$(BIN)/jupyter-book build . -W -n --keep-going || { rm -rf _build/.doctrees; exit 1; }

test: $(READY)  ## unit tests, every notebook, the book, its pages
	$(PYTEST) tests
	$(PYTEST) --dist=loadfile book
	$(MAKE) html
	$(PYTEST) tests -m pages

train: $(READY)  ## train the prior
	$(BIN)/fuzzydiff train

bench: $(READY)  ## measure speed, beside public libraries where they are installed
	$(BIN)/python -m benchmarks.network
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.peers

budgets: html  ## whether the page that runs the network keeps its budgets
	$(BIN)/python -m benchmarks.page

measure: $(MEASURES)  ## everything that depends on the weights, one thread each: with -jN on N cores
	$(BIN)/python -m studies.card

$(MEASURES): measure-%: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m studies.$*

measure-cover measure-grids: measure-people  # they restore those people

check-studies: $(READY)  ## whether what the studies have left is what the book and the presets say
	$(BIN)/python -m pytest tests -m studies

clean:  ## what was built; the environment and trained weights stay
	rm -rf _build .pytest_cache .ruff_cache

$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -r requirements.lock
	$(BIN)/python -m pip install --no-deps --no-build-isolation -e .
	touch $@
